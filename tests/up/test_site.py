"""The page and the metrics of all flows, over HTTP, with one process that a test plays."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from flowrun.spec.load import load
from flowrun.system.http.access import Access
from flowrun.system.http.messages import JSON, Response
from flowrun.system.http.server import HttpServer
from flowrun.up.child_client import ChildClient
from flowrun.up.member import Member
from flowrun.up.site import Site

TOKEN = "secret"
FLOW = """version: 1
name: gate 1
source: test
transport: {mode: unary, address: embedded, model: identity}
sink: 'null'
"""
RUN = {"ready": False, "waiting_for": ["source: cam is unavailable since 12:00:00"]}
METRICS = '# TYPE x counter\nx_total{flow="gate 1"} 3.0\n# TYPE y gauge\ny 4.0\n'

Get = Callable[..., tuple[int, str]]


@pytest.fixture
def child() -> Iterator[int]:
    """The port of a process."""
    routes = {
        "/status": lambda _: Response(json.dumps(RUN).encode(), JSON),
        "/metrics": lambda _: Response(METRICS.encode()),
        "/picture": lambda _: Response(b"jpeg", "image/jpeg"),
        "/stream": lambda _: Response(iter([b"one", b"two"]), "multipart/x-mixed-replace; x=y"),
    }
    server = HttpServer("127.0.0.1:0", routes, key="up", access=Access(token=TOKEN))
    yield urlsplit(server.url).port or 0
    server.close()


@pytest.fixture
def get(child: int, tmp_path: Path) -> Iterator[Get]:
    """Ask the site, with headers; the status and the text of its response."""
    (tmp_path / "gate.yaml").write_text(FLOW)
    gate = Member(tmp_path / "gate.yaml", "gate 1", load(tmp_path / "gate.yaml"), state="running")
    gate.port, gate.starts = child, 3
    typo = Member(tmp_path / "typo.yaml", "typo", problem="typo.yaml:1:1: error: wrong")
    site = Site(lambda: [gate, typo], ChildClient(TOKEN))
    server = HttpServer("127.0.0.1:0", site.everything(), key="--web", access=Access(token="t"))

    def get(path: str, token: str = "t", **headers: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=30)
        bearer = {"Authorization": f"Bearer {token}"}
        connection.request("GET", path, headers={**bearer, **headers})
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response.status, text

    yield get
    server.close()
    site.close()


def test_the_status_has_that_of_each_flow(get: Get) -> None:
    code, text = get("/status")
    gate, typo = json.loads(text)["flows"]
    assert code == 200
    assert (gate["name"], gate["path"], gate["run"], gate["restarts"]) == (
        "gate 1",
        "gate%201/",
        RUN,
        2,
    )
    assert (typo["process"], typo["run"], typo["error"]) == (
        "invalid",
        None,
        "typo.yaml:1:1: error: wrong",
    )


def test_readiness_names_each_flow_that_is_not_ready(get: Get) -> None:
    assert get("/readyz") == (
        503,
        "gate 1: source: cam is unavailable since 12:00:00\ntypo: invalid\n",
    )
    assert get("/livez") == (200, "alive\n")


def test_the_metrics_are_those_of_all_flows_and_of_the_supervisor(get: Get) -> None:
    _, text = get("/metrics")
    samples = [line for line in text.splitlines() if not line.startswith("#")]
    assert samples == [
        'x_total{flow="gate 1"} 3.0',
        'y{flow="gate 1"} 4.0',
        'flowrun_flow_up{flow="gate 1"} 0',
        'flowrun_restarts_total{flow="gate 1"} 2',
    ]


def test_a_flow_has_its_page_its_pictures_and_its_status(get: Get) -> None:
    assert get("/gate%201/")[1].startswith("<!doctype html>")
    assert get("/gate%201/picture") == (200, "jpeg")
    assert get("/gate%201/stream") == (200, "onetwo")
    assert json.loads(get("/gate%201/status")[1]) == RUN
    assert get("/typo/")[0] == 404


def test_the_rules_of_access_hold_for_every_path(get: Get) -> None:
    for path in ("/", "/status", "/metrics", "/gate%201/", "/gate%201/picture"):
        assert get(path, token="wrong")[0] == 401
        assert get(path, Host="evil.example")[0] == 421
        assert get(path, **{"Sec-Fetch-Site": "cross-site"})[0] == 403


def test_a_flow_without_a_process_costs_a_503(get: Get, child: int) -> None:
    client = ChildClient("wrong")
    assert client.status(None) is None
    assert client.text(child, "/status") is None  # 401
    assert client.response(None, "/picture").status == 503
