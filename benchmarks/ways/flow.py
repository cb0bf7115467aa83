"""flowrun: a flow with these keys, run as the command line runs it once it has read the file."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.echo import MODEL
from benchmarks.job import Job, Outcome
from flowrun.run import Run
from flowrun.spec.flow import Flow
from flowrun.spec.load import load_flow
from flowrun.system.malloc import keep_freed_memory

keep_freed_memory()


def ready(job: Job) -> Callable[[], Outcome]:
    flow = {
        "source": {"uri": job.clip, **job.source},
        "transport": {
            "mode": "stream",
            "address": job.address,
            "model": MODEL,
            "in_flight": job.window,
            **job.transport,
        },
        "sink": {"uri": job.out, "codec": "mpeg4", "quality": 5, "overwrite": True, **job.sink},
    }
    path = Path(job.out).with_suffix(".yaml")
    path.write_text(json.dumps(flow), encoding="utf-8")
    return partial(_run, load_flow(path))


def _run(flow: Flow) -> Outcome:
    summary = Run(flow).run()
    took = summary.latency_ms["end_to_end"]
    return Outcome(summary.delivered, (took["p50"] or 0.0, took["p95"] or 0.0))
