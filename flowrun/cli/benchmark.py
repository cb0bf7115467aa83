"""`--benchmark`: the demo client's numbers, computed rightly."""

from __future__ import annotations

from typing import Any

from flowrun.ledger.ledger import Ledger, Summary


def benchmark(ledger: Ledger, summary: Summary) -> dict[str, Any]:
    """The demo client's keys, and behind them those of the summary.

    `inference_time`   mean seconds from a request to its answer; `None` without an answer
    `frames`           delivered to the sink; with `dropped_frames` they are all that were captured
    `dropped_frames`   captured and not delivered, for whatever reason
    `fps`              delivered frames per second of `total_time`
    `total_time`       seconds from the first captured frame to the end
    `sent_all_frames`  seconds from the first captured frame to the last
    """
    mean = ledger.mean("transport")
    return {
        "inference_time": None if mean is None else round(mean, 6),
        "dropped_frames": summary.captured - summary.delivered,
        "frames": summary.delivered,
        "fps": summary.fps,
        "total_time": summary.duration_s,
        "sent_all_frames": round(ledger.capturing, 3),
        **summary.to_json(),
    }
