"""A whole run in this process."""

from __future__ import annotations

import json
import logging
import threading
from collections import Counter
from pathlib import Path

import pytest

from flowrun.frame import Frame
from flowrun.ledger import Fate
from flowrun.run import Run
from flowrun.spec.flow import Flow, Limits, SinkSpec, SourceSpec, TransportSpec

LIMIT = 30.0  # seconds, a guard against hanging


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


def test_a_window_that_was_left_to_flowrun_is_said_at_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    transport = TransportSpec("unary", ("embedded",), "identity", in_flight="auto")
    limits = Limits(frames=100)
    run = Run(Flow("f", SourceSpec("test:64x48@30"), transport, (SinkSpec("null"),), limits=limits))
    with caplog.at_level(logging.INFO, "flowrun"):
        summary = run.run()
    assert summary.delivered == 100
    assert 1 <= summary.in_flight <= 256
    assert f"in_flight: auto has settled on {summary.in_flight}" in caplog.messages
