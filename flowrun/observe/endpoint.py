"""Serve metrics, health and status of a run over HTTP."""

from __future__ import annotations

import json
import logging
from functools import partial

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder

from flowrun.chain.status import Status
from flowrun.observe.prometheus import RunCollector
from flowrun.spec.flow import MetricsSpec
from flowrun.system.http.access import Access
from flowrun.system.http.messages import JSON, Request, Response, Route
from flowrun.system.http.server import HttpServer

log = logging.getLogger("flowrun")


def routes(status: Status) -> dict[str, Route]:
    """What a run answers over HTTP:

    `/metrics`  for Prometheus: the metrics of the run (see `RunCollector`) and of its process
    `/livez`    200 while the process responds
    `/readyz`   200 while the flow runs, source, model server and sinks are available, and the last
                minute breaks no expectation; otherwise 503 and one line for each reason
    `/status`   the result of `Run.status` as JSON
    """
    registry = CollectorRegistry()
    registry.register(RunCollector(status))
    ProcessCollector(registry=registry)
    return {
        "/metrics": partial(_metrics, registry),
        "/livez": lambda _: Response(b"alive\n"),
        "/readyz": partial(_readyz, status),
        "/status": lambda _: Response(_json(status), JSON),
    }


class Metrics:
    """An HTTP server at `metrics.address` with the `routes` of a run, until `close`.

    Raises `RunError` if the address is in use or not an address of this machine.
    """

    def __init__(self, spec: MetricsSpec, status: Status) -> None:
        self._server = HttpServer(
            spec.address, routes(status), key="metrics.address", access=Access(spec.hosts)
        )
        self.url = self._server.url
        scope = "" if self._server.is_loopback else ", reachable from other machines"
        log.info("metrics: %s/metrics%s", self.url, scope)

    def close(self) -> None:
        """Stop serving. Idempotent, within a second."""
        self._server.close()


def _metrics(registry: CollectorRegistry, request: Request) -> Response:
    try:
        encode, kind = choose_encoder(request.headers.get("Accept", ""))
    except Exception:  # the library expects that versions in the header are numbers
        encode, kind = choose_encoder("")
    return Response(encode(registry), kind)


def _readyz(status: Status, _: Request) -> Response:
    state, unavailable = status.state, status.unavailable()
    why = [f"{key}: {what}" for key, what in unavailable.items()]
    if state == "running":
        why += status.broken()
        if not why:
            return Response(b"ready\n")
    why = why or [f"the run is {state}"]
    return Response("".join(f"{line}\n" for line in why).encode(), status=503)


def _json(status: Status) -> bytes:
    return json.dumps(status.to_json()).encode() + b"\n"
