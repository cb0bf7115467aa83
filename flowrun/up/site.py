"""The page, the metrics and the status of all flows of a supervisor."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from flowrun.media.sinks.web import PAGE as FLOW_PAGE
from flowrun.media.sinks.web import POLICY
from flowrun.system.http.messages import HTML, JSON, Request, Response, Route
from flowrun.up import exposition
from flowrun.up.child_client import ChildClient
from flowrun.up.member import Member

PAGE = Path(__file__).with_name("page.html")
_PARTS = ("picture", "status", "stream")  # of a flow, which its process answers
_THREADS = 8
_FRESH = 0.5  # seconds for which a status is not asked for again

T = TypeVar("T")


class Site:
    """Answers from what the processes of the flows answer at that moment. Any thread.

    `/metrics`, `/livez`, `/readyz` and `/status` are those of all flows. `/` is the page, and
    `/NAME/` the page of a flow with its `picture`, `stream` and `status` below it.
    """

    def __init__(self, members: Callable[[], Sequence[Member]], client: ChildClient) -> None:
        self._members = members
        self._client = client
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="flowrun-ask")
        self._lock = threading.Lock()
        self._status_at = float("-inf")
        self._statuses: list[dict[str, Any]] = []

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def monitoring(self) -> Mapping[str, Route]:
        """The routes for programs."""
        return {
            "/metrics": self._metrics,
            "/livez": lambda _: Response(b"alive\n"),
            "/readyz": self._readyz,
            "/status": self._status,
        }

    def pages(self) -> Mapping[str, Route]:
        """The routes for people, which change with the flows."""
        return _Pages({"/": _page(PAGE), "/status": self._status}, self._flow_routes)

    def everything(self) -> Mapping[str, Route]:
        """All routes."""
        return _Pages({**self.monitoring(), "/": _page(PAGE)}, self._flow_routes)

    def statuses(self) -> list[dict[str, Any]]:
        """For each flow the keys of `Member.to_json`, `path`, that of its page, and `run`, the
        result of `Run.status`, `None` while it does not run."""
        with self._lock:  # several browsers, one request
            if time.monotonic() - self._status_at > _FRESH:
                members = list(self._members())
                runs = self._ask(members, lambda each: self._client.status(each.port))
                self._statuses = [
                    {**member.to_json(), "path": f"{quote(member.name, safe='')}/", "run": run}
                    for member, run in zip(members, runs, strict=True)
                ]
                self._status_at = time.monotonic()
            return self._statuses

    def _ask(self, members: Sequence[Member], question: Callable[[Member], T]) -> list[T]:
        return list(self._pool.map(question, members))

    def _flow_routes(self) -> Iterator[tuple[str, Route]]:
        for member in self._members():
            if member.loaded is not None:
                path = f"/{quote(member.name, safe='')}/"
                yield path, _page(FLOW_PAGE)
                for part in _PARTS:
                    yield path + part, partial(self._part, member, f"/{part}")

    def _part(self, member: Member, path: str, _: Request) -> Response:
        return self._client.response(member.port, path)

    def _status(self, _: Request) -> Response:
        return Response(json.dumps({"flows": self.statuses()}).encode() + b"\n", JSON)

    def _readyz(self, _: Request) -> Response:
        lines = []
        for status in self.statuses():
            run, process = status["run"], status["process"]
            if process == "ended" or (run is not None and run["ready"]):
                continue
            why = run["waiting_for"] if run is not None and run["waiting_for"] else [process]
            lines += [f"{status['name']}: {each}\n" for each in why]
        return Response("".join(lines).encode() or b"ready\n", status=503 if lines else 200)

    def _metrics(self, _: Request) -> Response:
        members = [each for each in self._members() if each.loaded is not None]
        texts = self._ask(members, lambda each: self._client.text(each.port, "/metrics") or "")
        up = {each.name: float(each.child is not None) for each in members}
        restarts = {each.name: float(max(0, each.starts - 1)) for each in members}
        names = [each.name for each in members]
        text = exposition.merge(dict(zip(names, texts, strict=True)))
        text += exposition.gauge("flowrun_flow_up", "1 while the flow has a process.", up)
        text += exposition.gauge(
            "flowrun_restarts_total", "Starts of the flow after the first.", restarts, "counter"
        )
        return Response(text.encode(), exposition.TYPE)


class _Pages(Mapping[str, Route]):
    """Fixed routes, and those that `further` yields at the moment. The fixed ones win."""

    def __init__(
        self, fixed: Mapping[str, Route], further: Callable[[], Iterator[tuple[str, Route]]]
    ) -> None:
        self._fixed = fixed
        self._further = further

    def __getitem__(self, path: str) -> Route:
        return {**dict(self._further()), **self._fixed}[path]

    def __iter__(self) -> Iterator[str]:
        return iter({**dict(self._further()), **self._fixed})

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _page(file: Path) -> Route:
    return lambda _: Response(file.read_bytes(), HTML, headers={"Content-Security-Policy": POLICY})
