"""`--benchmark`: the demo client's keys with correct numbers."""

from __future__ import annotations

import numpy as np

from flowrun.cli.benchmark import benchmark
from flowrun.frame import Frame
from flowrun.ledger.ledger import Ledger
from flowrun.ledger.summary import summarize


def test_the_numbers_are_those_of_the_run() -> None:
    now = 100.0
    ledger = Ledger(lambda: now)
    frames = [Frame(np.zeros((2, 2, 3), np.uint8), n, 0, 0, captured=100.0 + n) for n in range(4)]
    for frame in frames:
        ledger.captured(frame)
    ledger.took("transport", 0.2)
    ledger.took("transport", 0.3)
    ledger.delivered(frames[0])
    ledger.delivered(frames[1])
    ledger.superseded(frames[2])
    now = 110.0
    ledger.close()  # the last one is aborted
    summary = summarize(ledger, "demo")
    assert benchmark(ledger, summary) == {
        "inference_time": 0.25,
        "dropped_frames": 2,
        "frames": 2,
        "fps": 0.2,
        "total_time": 10.0,
        "sent_all_frames": 3.0,
        **summary.to_json(),
    }


def test_a_run_without_a_frame_has_numbers_too() -> None:
    ledger = Ledger()
    ledger.close()
    found = benchmark(ledger, summarize(ledger, "demo"))
    assert [found[key] for key in ("inference_time", "dropped_frames", "frames", "fps")] == [
        *(None, 0, 0, 0.0),
    ]
    assert [found[key] for key in ("total_time", "sent_all_frames")] == [0.0, 0.0]
