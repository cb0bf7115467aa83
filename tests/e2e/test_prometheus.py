"""The dashboard and the alerts, in a real Prometheus that scrapes a real run.

OpenVINO Model Server, which cannot be run here, is stood in for by a page with its series: names
and labels are those of its documentation.
"""

from __future__ import annotations

import json
import math
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flowrun.system.http.messages import Response
from flowrun.system.http.server import HttpServer
from tests.testbed.process import until

LIMIT = 60.0  # seconds, a guard against hanging
DOCS = Path(__file__).parents[2] / "docs"
DASHBOARD = json.loads((DOCS / "grafana/flowrun.json").read_text(encoding="utf-8"))
ALERTS = DOCS / "grafana/alerts.yaml"
VARIABLES = {"$__rate_interval": "5s", "$__range": "1m", "$flow": ".+"}

FLOW = """
name: watched
source: {{uri: 'test:64x48@30', pace: realtime}}
transport: {{mode: stream, address: embedded, model: identity}}
postprocess: [flowrun.hooks.draw_clock:draw_clock]
sink: ["null", "null"]
metrics: {address}
"""
GRAPH = 'api="KServe",interface="gRPC",method="ModelInferStream",name="identity"'
MODEL = 'api="KServe",interface="gRPC",method="ModelInfer",name="identity",version="1"'


def ovms(seconds: float) -> str:
    """Its page `seconds` after its start: 30 requests a second, 1.5 ms each, 1 ms of inference."""
    requests = seconds * 30
    return f"""
ovms_requests_accepted{{{GRAPH}}} {requests}
ovms_requests_rejected{{{GRAPH}}} 0
ovms_responses{{{GRAPH}}} {requests * 0.9}
ovms_requests_success{{{MODEL}}} {requests}
ovms_requests_fail{{{MODEL}}} 0
ovms_graph_error{{name="identity"}} 0
ovms_graph_processing_time_us_sum{{method="Unary",name="identity"}} {requests * 1500}
ovms_graph_processing_time_us_count{{method="Unary",name="identity"}} {requests}
ovms_request_time_us_sum{{interface="gRPC",name="identity",version="1"}} {requests * 1500}
ovms_request_time_us_count{{interface="gRPC",name="identity",version="1"}} {requests}
ovms_inference_time_us_sum{{name="identity",version="1"}} {requests * 1000}
ovms_inference_time_us_count{{name="identity",version="1"}} {requests}
ovms_wait_for_infer_req_time_us_sum{{name="identity",version="1"}} {requests * 10}
ovms_wait_for_infer_req_time_us_count{{name="identity",version="1"}} {requests}
ovms_current_graphs{{name="identity"}} 1
ovms_current_requests{{name="identity",version="1"}} 1
"""


def queries() -> dict[str, str]:
    """Those of the dashboard, ready to be asked, by panel and legend."""
    found = {}
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            text = target["expr"]
            for name, value in VARIABLES.items():
                text = text.replace(name, value)
            found[f"{panel['title']}: {target['legendFormat']}"] = text
    return found


@pytest.fixture
def server() -> Iterator[str]:
    """The address of the page of an OpenVINO Model Server."""
    began = time.monotonic()

    def page(_: object) -> Response:
        return Response(ovms(time.monotonic() - began).encode(), "text/plain; version=0.0.4")

    running = HttpServer("127.0.0.1:0", {"/metrics": page}, key="ovms")
    yield running.url.removeprefix("http://")
    running.close()


@pytest.fixture
def watched(started: Any, tmp_path: Path, free_address: Callable[[], str]) -> str:
    """The address of the metrics of a run that is ready."""
    address = free_address()
    path = tmp_path / "watched.yaml"
    path.write_text(FLOW.format(address=address))
    started(path)
    until(lambda: is_ready(address), "the run did not get ready")
    return address


def is_ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}/readyz", timeout=LIMIT):
            return True
    except urllib.error.HTTPError as answer:
        answer.close()
    except OSError:
        pass  # it does not listen yet
    return False


def test_every_query_of_the_dashboard_gives_data_of_a_run_and_every_alert_can_be_evaluated(
    prometheus: Any, watched: str, server: str
) -> None:
    asked = prometheus(ALERTS, flowrun=watched, ovms=server)
    missing = queries()
    assert len(missing) > 30

    def everything_there() -> bool:
        now = time.time()
        for name, text in list(missing.items()):
            if asked.query(text, now):
                del missing[name]
        return not missing

    until(everything_there, f"no data for {missing}")
    until(
        lambda: {health for health, _ in asked.rules().values()} == {"ok"},
        f"not all rules were evaluated: {asked.rules()}",
    )
    assert "firing" not in {state for _, state in asked.rules().values()}


def test_the_network_is_the_round_trip_without_the_time_of_the_server(
    prometheus: Any, watched: str, server: str
) -> None:
    asked, text = prometheus(ALERTS, flowrun=watched, ovms=server), queries()
    panel = "Round trip, server, network: {{model}} "
    until(lambda: asked.query(text[f"{panel}network"], time.time()), "no data")
    now = time.time()
    ((labels, network),) = asked.query(text[f"{panel}network"], now)
    ((_, trip),) = asked.query(text[f"{panel}round trip"], now)
    ((_, of_server),) = asked.query(text[f"{panel}server"], now)
    assert labels == {"model": "identity"}
    assert math.isclose(of_server, 1.5e-3, rel_tol=1e-3)
    assert math.isclose(network, trip - of_server, abs_tol=1e-9)


def test_promtool_accepts_names_and_units(promtool: Any, watched: str) -> None:
    with urllib.request.urlopen(f"http://{watched}/metrics", timeout=LIMIT) as answer:
        text = answer.read().decode()
    assert promtool("check", "metrics", said=text) == ""


def test_promtool_accepts_the_alerts(promtool: Any) -> None:
    said = promtool("check", "rules", ALERTS)
    assert re.search(r"SUCCESS: [1-9]\d* rules found", said)


FRAMES = 'flowrun_frames_total{flow="f",fate="%s",cause="%s"}'
FIRES: dict[str, dict[str, str]] = {  # alert -> series, per minute
    "FlowrunPartUnavailable": {'flowrun_part_up{flow="f",part="source"}': "0x20"},
    "FlowrunNothingDelivered": {
        FRAMES % ("delivered", ""): "7x20",
        'flowrun_frames_captured_total{flow="f"}': "0+100x20",
    },
    "FlowrunFramesFail": {
        FRAMES % ("failed", "timeout"): "0+1x20",
        FRAMES % ("failed", "sink"): "0+1x20",
        'flowrun_frames_captured_total{flow="f"}': "0+100x20",
    },
    "FlowrunFramesDropped": {
        FRAMES % ("dropped", "superseded"): "0+15x20",
        FRAMES % ("dropped", "stale"): "0+15x20",
        'flowrun_frames_captured_total{flow="f"}': "0+100x20",
    },
    "FlowrunHighLatency": {
        'flowrun_latency_seconds_bucket{flow="f",le="1.048576"}': "0+10x20",
        'flowrun_latency_seconds_bucket{flow="f",le="+Inf"}': "0+100x20",
    },
    "FlowrunReconnecting": {'flowrun_reconnects_total{flow="f",part="source"}': "0+1x20"},
    "FlowrunHookTooSlow": {
        'flowrun_hook_seconds_sum{flow="f",hook="postprocess[0]",name="m:n"}': "0+60x20",
        'flowrun_hook_seconds_count{flow="f",hook="postprocess[0]",name="m:n"}': "0+1500x20",
        'flowrun_frame_period_seconds{flow="f"}': "0.033x20",
    },
    "FlowrunExpectationBroken": {'flowrun_expectation_met{flow="f",key="delivered"}': "0x20"},
    "FlowrunDown": {'up{job="flowrun"}': "0x20"},
}


@pytest.mark.parametrize("alert", FIRES)
def test_an_alert_fires_when_its_condition_lasts_and_no_other_does(
    promtool: Any, tmp_path: Path, alert: str
) -> None:
    series = [{"series": name, "values": values} for name, values in FIRES[alert].items()]
    # promtool compares labels and texts as well; how many fire is a metric of its own.
    firing = {"expr": 'count by (alertname) (ALERTS{alertstate="firing"})', "eval_time": "18m"}
    one = {"labels": f'{{alertname="{alert}"}}', "value": 1}
    unit = {"interval": "1m", "input_series": series}
    unit["promql_expr_test"] = [{**firing, "exp_samples": [one]}]
    path = tmp_path / "unit.yaml"
    path.write_text(json.dumps({"rule_files": [str(ALERTS)], "tests": [unit]}), encoding="utf-8")
    assert "SUCCESS" in promtool("test", "rules", path)


def test_every_alert_is_tested_and_documented() -> None:
    written = re.findall(r"- alert: (\w+)", ALERTS.read_text(encoding="utf-8"))
    assert written == list(FIRES)
    page = (DOCS / "operating.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| `(Flowrun\w+)` \|", page, re.M)) == sorted(written)
