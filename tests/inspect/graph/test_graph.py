"""`flowrun graph`: the chain of a flow with its own values, from nothing but the flow."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.cli import main
from flowrun.inspect.graph.chain import CALLER, Chain, chain_of
from flowrun.inspect.graph.mermaid import mermaid
from flowrun.inspect.graph.text import text
from flowrun.run import Run
from flowrun.spec.flow import (
    BackpressureSpec,
    Flow,
    HookSpec,
    Limits,
    SinkSpec,
    SourceSpec,
    TransportSpec,
)
from flowrun.spec.load import load_flow

HERE = Path(__file__).parent
FLOWS = sorted((HERE.parents[2] / "flows").glob("*.yaml"))


def flow(source: str = "in.mp4", *sinks: str, policy: Any = "auto", **transport: Any) -> Flow:
    return Flow(
        name="f",
        source=SourceSpec(source),
        transport=TransportSpec("unary", ("h:1",), "m", **transport),
        sinks=tuple(map(SinkSpec, sinks or ("out.mp4",))),
        backpressure=BackpressureSpec(policy),
    )


def texts(chain: Chain) -> dict[str, str]:
    return {stage.key: stage.text for box in (*chain.boxes, *chain.sinks) for stage in box.stages}


def threads(chain: Chain) -> dict[str, str]:
    """The thread of every stage, by key."""
    return {stage.key: box.thread for box in (*chain.boxes, *chain.sinks) for stage in box.stages}


@pytest.mark.parametrize("form", ["text", "mermaid"])
def test_the_graph_has_the_flows_values_and_none_of_its_secrets(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["graph", str(HERE / "flow.yaml"), "--format", form]) == 0
    assert capsys.readouterr().out == (HERE / f"flow.{form}").read_text(encoding="utf-8")


def test_overrides_are_in_the_graph(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["graph", str(HERE / "flow.yaml"), "--set", "transport.version=3"]
    assert main([*words, "--input-stream", "test", "--model-name", "other"]) == 0
    out = capsys.readouterr().out
    assert "│ source               test  (not live, in real time) " in out
    assert "│ transport            stream, other (version 3) at localhost:9000 " in out


def test_an_invalid_flow_is_rejected_as_everywhere(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["graph", str(HERE / "flow.yaml"), "--set", "sink=x"]) == 78
    assert "--set:1:6: error: `sink` is 'x', expected `screen`" in capsys.readouterr().err


@pytest.mark.parametrize("path", FLOWS, ids=lambda path: path.stem)
def test_every_flow_of_the_project_has_a_graph_with_straight_edges(path: Path) -> None:
    chain = chain_of(load_flow(path, environ={}))
    frames = [line for line in text(chain).splitlines() if line[:1] in "┌│└"]
    assert len({len(line) for line in frames}) == 1
    assert mermaid(chain).startswith("flowchart TB\n")


def test_a_graph_imports_neither_hooks_nor_numpy_grpc_or_reactivex() -> None:
    code = (
        "import sys; from flowrun.cli import main; main(['graph', sys.argv[1]]);"
        "print(sorted({'my_hooks', 'numpy', 'grpc', 'reactivex'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(HERE / "flow.yaml")],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("sinks", "expected"),
    [
        (["out.mp4"], {"sink": CALLER}),
        (["frames.jsonl"], {"sink": CALLER}),
        (["screen"], {"sink": CALLER, "postprocess": "deliver thread"}),
        (["rtsp://h/1"], {"sink": "sink-rtsp thread", "postprocess": CALLER}),
        (["a.jsonl", "out.mp4"], {"sink[1]": CALLER}),
        (["a.jsonl", "b.jsonl"], {"sink[0]": CALLER}),
        (["null", "out.mp4"], {"sink[0]": "sink-null thread", "sink[1]": "sink-video thread"}),
    ],
)
def test_sinks_are_in_the_box_of_the_thread_that_writes_them(
    sinks: list[str], expected: dict[str, str]
) -> None:
    found = threads(chain_of(flow("in.mp4", *sinks)))
    assert {key: found[key] for key in expected} == expected
    assert {key for key in found if key.startswith("sink")} == {
        key for key in expected if key.startswith("sink")
    }


@pytest.mark.parametrize(
    ("source", "policy", "expected"),
    [
        ("rtsp://h", "auto", "backpressure: latest, as the source is live: "),
        ("camera:0", "every_frame", "backpressure: every_frame, as set in the flow: "),
        ("in.mp4", "auto", "backpressure: every_frame, as the source is not live: "),
        ("http://h/v", "latest", "backpressure: latest, as set in the flow: "),
        (
            "http://h/v",
            "auto",
            "backpressure: every_frame for a video of known length, else latest",
        ),
    ],
)
def test_the_policy_has_its_reason_as_far_as_it_is_known_before_a_run(
    source: str, policy: Any, expected: str
) -> None:
    assert chain_of(flow(source, policy=policy)).boxes[1].incoming[1].startswith(expected)


@pytest.mark.parametrize(
    ("source", "policy", "expected"),
    [
        ("rtsp://h", "auto", "drop, as the source is live"),
        ("test", "auto", "hold, as the source is not live"),
        ("http://h/v", "auto", "hold for a video of known length, else drop"),
        ("rtsp://h", "fail", "fail"),
    ],
)
def test_the_outage_policy_has_its_reason_too(source: str, policy: Any, expected: str) -> None:
    assert texts(chain_of(flow(source, on_outage=policy)))["transport.on_outage"] == expected


def test_every_queue_blocks_where_no_frame_may_be_dropped() -> None:
    chain = chain_of(replace(flow("in.mp4", "a.mp4", "b.mkv"), limits=Limits(frames=5)))
    assert chain.boxes[1].incoming[0] == "buffer: 4 frames; when full, the source waits"
    assert chain.boxes[2].incoming[0] == "window: 4 requests"
    assert [sink.incoming for sink in chain.sinks] == [
        ("queue: 4 frames; when full, delivery waits",)
    ] * 2
    assert texts(chain)["limits"] == "5 frames"


SECRETS = st.text("abcXYZ0189/ @", min_size=6).map(lambda text: f"s3{text}3s")


@given(SECRETS, SECRETS, SECRETS)
def test_no_secret_is_in_a_graph(user_info: str, header: str, option: str) -> None:
    secret = replace(
        flow(f"rtsp://u:{user_info}@h/1", f"rtsp://{user_info}@h/2", headers={"x": header}),
        preprocess=(HookSpec("m:f", {"api_key": option, "url": f"ftp://{option}@h", "x": header}),),
        postprocess=(HookSpec("m:f", {"deep": {"password": option}, "list": [header]}),),
    )
    chain = chain_of(secret)
    for picture in (text(chain), mermaid(chain)):
        assert not any(each in picture for each in (user_info, header, option))


@pytest.mark.parametrize("policy", ["every_frame", "latest"])
def test_the_queues_of_the_graph_are_those_of_a_run(
    policy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    several = replace(
        flow("test:64x48@30", "null", "out.mkv", policy=policy),
        transport=TransportSpec("unary", ("embedded",), "identity"),
        limits=Limits(frames=3),
    )
    run = Run(several)
    run.run()
    chain = chain_of(several)
    queues = {"buffer": chain.boxes[1].incoming[0]}
    queues |= {sink.stages[0].key: sink.incoming[0] for sink in chain.sinks}
    capacities = {each["name"]: each["capacity"] for each in run.status()["queues"]}
    assert {name: int(re.findall(r"\d+", label)[0]) for name, label in queues.items()} == capacities


def test_the_threads_are_those_of_the_diagram_in_the_docs() -> None:
    page = (HERE.parents[2] / "docs/running.md").read_text(encoding="utf-8")
    picture = page.partition("## The chain and its threads")[2].partition("## ")[0]
    threads = [box.thread for box in chain_of(flow()).boxes]
    assert all(thread in picture for thread in threads if thread != "model server")
