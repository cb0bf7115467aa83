"""A whole run in this process."""

from __future__ import annotations

import json
import logging
import socket
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from flowrun.errors import OutputsError, RunError, SinkError
from flowrun.frame import Frame
from flowrun.inference import TensorInfo
from flowrun.kserve.server.embedded import EmbeddedServer
from flowrun.kserve.server.models import Model
from flowrun.ledger.fates import Fate
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

LIMIT = 30.0  # seconds, a guard against hanging


@pytest.fixture
def unused_address() -> Iterator[str]:
    """An address at which no server listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


@pytest.mark.parametrize("beside", [[], ["null"]])
def test_a_jsonl_file_has_a_line_for_every_captured_frame_also_for_those_aborted(
    tmp_path: Path, beside: list[str]
) -> None:
    path = tmp_path / "fates.jsonl"
    run = Run(
        Flow(
            name="f",
            source=SourceSpec("test:64x48@30"),
            transport=TransportSpec(mode="stream", address=("embedded",), model="identity"),
            sinks=tuple(SinkSpec(uri) for uri in [*beside, str(path)]),
            limits=Limits(frames=1000),
        )
    )
    several = threading.Event()
    captured = run.ledger.captured

    def note_captured(frame: Frame) -> None:
        captured(frame)
        if frame.index == 3:
            several.set()

    def abort_at_the_first(fate: Fate) -> None:
        if fate.index == 0:
            assert several.wait(LIMIT)
            run.abort()

    run.ledger.captured = note_captured  # type: ignore[method-assign]
    run.ledger.on_fate(abort_at_the_first)
    summary = run.run()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    fates = Counter(line["fate"] for line in lines)
    assert sorted(line["index"] for line in lines) == list(range(summary.captured))
    assert (fates["delivered"], fates["aborted"]) == (summary.delivered, summary.aborted)
    assert summary.aborted > 0


def test_the_window_that_auto_has_found_is_logged_at_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    transport = TransportSpec("unary", ("embedded",), "identity", in_flight="auto")
    limits = Limits(frames=100)
    run = Run(Flow("f", SourceSpec("test:64x48@30"), transport, (SinkSpec("null"),), limits=limits))
    with caplog.at_level(logging.INFO, "flowrun"):
        summary = run.run()
    assert summary.delivered == 100
    assert 1 <= summary.window <= 256
    assert f"in_flight: auto has found a window of {summary.window}" in caplog.messages


LOOK = """
seen = set()
def look(frame, result):
    seen.update(result.outputs)
    return frame
"""


@pytest.mark.parametrize("declared", [True, False])
def test_the_server_is_only_asked_for_the_outputs_that_the_hooks_declare(
    folder: Path, declared: bool
) -> None:
    declaration = 'look.reads_outputs = ("b",)\n' if declared else ""
    (folder / "looking.py").write_text(LOOK + declaration)
    image, a, b = (TensorInfo(name, "UINT8", (-1, -1, 3)) for name in ("image", "a", "b"))
    model = Model("two", lambda: lambda image: {"a": image, "b": image}, (image,), (a, b))
    with EmbeddedServer({"two": model}) as server:
        flow = Flow(
            "f",
            SourceSpec("test:64x48@30"),
            TransportSpec("unary", (server.address,), "two"),
            (SinkSpec("null"),),
            postprocess=(HookSpec("looking:look"),),
            limits=Limits(frames=3),
        )
        assert Run(flow).run().delivered == 3
    assert sys.modules["looking"].seen == ({"b"} if declared else {"a", "b"})


def test_a_hook_that_cannot_read_the_outputs_of_the_model_ends_the_run_before_its_first_frame() -> (
    None
):
    flow = Flow(
        "f",
        SourceSpec("test:64x48@30"),
        TransportSpec("unary", ("embedded",), "identity"),
        (SinkSpec("null"),),
        postprocess=(HookSpec("flowrun.hooks.decode_ssd:decode_ssd", on_error="drop"),),
        limits=Limits(frames=3),
    )
    run = Run(flow)
    with pytest.raises(OutputsError) as raised:
        run.run()
    assert raised.value.exit_code == 78
    assert str(raised.value) == (
        "postprocess[0]: decode_ssd does not fit model 'identity': the model has no output"
        " 'detection_out'\n"
        "  it has 'output' UINT8 [-1, -1, 3]\n"
        "  write under `postprocess`:\n"
        "    - picture"
    )
    assert run.summary().captured == 0


def test_a_stop_ends_the_wait_for_the_model_server(unused_address: str) -> None:
    transport = TransportSpec("unary", (unused_address,), "identity", startup="wait")
    run = Run(Flow("f", SourceSpec("test:64x48@30"), transport, (SinkSpec("null"),)))
    ended: list[int] = []
    running = threading.Thread(target=lambda: ended.append(run.run().captured))
    running.start()
    while f"transport: {unused_address} is not open yet" not in run.status()["waiting_for"]:
        pass
    run.stop()
    running.join(LIMIT)
    assert ended == [0]


def test_every_sink_is_counted_by_its_uri_also_those_that_get_fates_only(tmp_path: Path) -> None:
    uris = [str(tmp_path / "all.jsonl"), "null", str(tmp_path / "more.jsonl")]
    run = Run(
        Flow(
            name="f",
            source=SourceSpec("test:64x48@30"),
            transport=TransportSpec(mode="unary", address=("embedded",), model="identity"),
            sinks=tuple(map(SinkSpec, uris)),
            limits=Limits(frames=10),
        )
    )
    found = run.run().sinks
    assert [(each["sink"], each["uri"], each["delivered"]) for each in found] == [
        (f"sink[{number}]", uri, 10) for number, uri in enumerate(uris)
    ]
    run = Run(replace(run.flow, sinks=(SinkSpec(str(tmp_path / "alone.jsonl")),)))
    (only,) = run.run().sinks
    assert (only["sink"], only["delivered"]) == ("sink", 10)


def test_a_run_without_enough_memory_fails_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_large(*_: object) -> None:
        raise MemoryError("Unable to allocate 28 GiB")

    monkeypatch.setattr("flowrun.chain.parts.make_source", too_large)
    transport = TransportSpec(mode="unary", address=("embedded",), model="identity")
    run = Run(
        Flow(name="f", source=SourceSpec("test"), transport=transport, sinks=(SinkSpec("null"),))
    )
    with pytest.raises(RunError, match="out of memory: Unable to allocate 28 GiB") as raised:
        run.run()
    assert "source.size" in str(raised.value)
    assert (run.summary().exit_code, run.summary().error) == (
        1,
        "out of memory: Unable to allocate 28 GiB",
    )


def test_the_status_of_a_run_is_available_before_during_and_after_it() -> None:
    run = Run(
        Flow(
            name="f",
            source=SourceSpec("test:64x48@30"),
            transport=TransportSpec(mode="unary", address=("embedded",), model="identity"),
            sinks=(SinkSpec("null"), SinkSpec("null")),
            limits=Limits(frames=40),
        )
    )
    seen: list[dict[str, Any]] = [run.status()]

    def look(fate: Fate) -> None:
        if fate.index == 20:
            seen.append(run.status())

    run.ledger.on_fate(look)
    summary = run.run()
    before, during, after = *seen, run.status()
    assert [each["state"] for each in (before, during, after)] == ["starting", "running", "ended"]
    assert [each["ready"] for each in (before, during, after)] == [False, True, False]
    assert before["waiting_for"] == [
        "source: test:64x48@30 is not open yet",
        "transport: embedded is not open yet",
        "sink: null, null is not open yet",
    ]
    assert [each["name"] for each in during["queues"]] == ["buffer", "sink[0]", "sink[1]"]
    assert all(0 <= each["depth"] <= each["capacity"] == 4 for each in during["queues"])
    assert 1 <= during["in_flight"] <= during["window"] == 4
    assert during["source"] == {
        "live": False,
        "width": 64,
        "height": 48,
        "fps": 30.0,
        "duration": None,
        "frames": None,
        "time": pytest.approx((during["captured"] - 1) / 30, abs=0.05),
    }
    assert (after["in_flight"], [each["depth"] for each in after["queues"]]) == (0, [0, 0, 0])
    assert summary.to_json().items() <= after.items()


@pytest.mark.parametrize("policy", ["every_frame", "latest"])
def test_frames_in_flight_at_the_deadline_of_a_stop_are_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: Literal["every_frame", "latest"]
) -> None:
    monkeypatch.setattr("flowrun.run.DRAIN", -9.9)  # of the 10 s of `transport.timeout`
    monkeypatch.syspath_prepend(tmp_path)
    name = f"stuck_{policy}"
    (tmp_path / f"{name}.py").write_text(
        """import threading
entered, released = threading.Event(), threading.Event()
def wait(frame, result):
    entered.set()
    released.wait()
    return frame
"""
    )
    run = Run(
        Flow(
            name="f",
            source=SourceSpec("test:64x48@30"),
            transport=TransportSpec(mode="unary", address=("embedded",), model="identity"),
            postprocess=(HookSpec(f"{name}:wait"),),
            sinks=(SinkSpec("null"),),
            backpressure=BackpressureSpec(policy),
        )
    )

    def release() -> None:
        sys.modules[name].released.set()

    run.when_overdue(release)
    running = threading.Thread(target=run.run)
    running.start()
    while not hasattr(sys.modules.get(name), "wait"):  # the end of the module
        pass
    sys.modules[name].entered.wait(LIMIT)
    while run.summary().captured < 3:  # the hook may return its frame in time, others not
        pass
    run.stop()
    running.join(LIMIT)
    summary = run.summary()
    assert summary.aborted > 0
    assert summary.exit_code == (3 if policy == "every_frame" else 0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no full device")
@pytest.mark.parametrize("order", [["full", "good"], ["good", "full"]])
def test_one_jsonl_file_that_cannot_be_written_costs_the_other_one_nothing(
    tmp_path: Path, order: list[str]
) -> None:
    (tmp_path / "full.jsonl").symlink_to("/dev/full")
    run = Run(
        Flow(
            name="f",
            source=SourceSpec("test:64x48@30"),
            transport=TransportSpec(mode="unary", address=("embedded",), model="identity"),
            sinks=tuple(
                SinkSpec(str(tmp_path / f"{each}.jsonl"), overwrite=True) for each in order
            ),
            limits=Limits(frames=20),
        )
    )
    with pytest.raises(SinkError, match=r"full\.jsonl cannot be written: No space left on device"):
        run.run()
    lines = (tmp_path / "good.jsonl").read_text().splitlines()
    assert [json.loads(line)["fate"] for line in lines] == ["delivered"] * 20
    assert (run.summary().captured, run.summary().delivered) == (20, 20)
