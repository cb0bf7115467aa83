"""`--benchmark`: the demo client's numbers, measured correctly."""

from __future__ import annotations

from typing import Any

from flowrun.ledger.ledger import Ledger
from flowrun.ledger.summary import Summary


def benchmark(ledger: Ledger, summary: Summary) -> dict[str, Any]:
    """The demo client's keys, followed by those of the summary.

    `inference_time`   mean seconds from request to response; `None` without a response
    `frames`           delivered to the sink; with `dropped_frames`, all captured frames
    `dropped_frames`   captured and not delivered, for any reason
    `fps`              delivered frames per second of `total_time`
    `total_time`       seconds from the first captured frame to the end
    `sent_all_frames`  seconds from the first captured frame to the last
    """
    mean = ledger.latencies.mean("transport")
    return {
        "inference_time": None if mean is None else round(mean, 6),
        "dropped_frames": summary.captured - summary.delivered,
        "frames": summary.delivered,
        "fps": summary.fps,
        "total_time": summary.duration_s,
        "sent_all_frames": round(ledger.capturing, 3),
        **summary.to_json(),
    }
