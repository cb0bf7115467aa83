"""flowrun: a typical flow for a detector, with the defaults of a live source."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

from benchmarks.live.job import SIZE, THRESHOLD, Job, Record
from flowrun.ledger.fates import Fate
from flowrun.run import Run
from flowrun.spec.load import load_flow
from flowrun.system.malloc import keep_freed_memory

keep_freed_memory()


class Client:
    def __init__(self, job: Job, record: Record) -> None:
        flow = {
            "source": {"uri": job.url, "decoder": job.decoder},
            "preprocess": [{"hook": "flowrun.hooks.resize:resize", "with": {"size": list(SIZE)}}],
            "transport": {
                "mode": "unary",
                "address": job.address,
                "model": job.model,
                "in_flight": 1,
            },
            "postprocess": [
                {
                    "hook": "flowrun.hooks.decode_boxes:decode_boxes",
                    "with": {"threshold": THRESHOLD},
                }
            ],
            "sink": "null",
        }
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "flow.yaml"
            path.write_text(json.dumps(flow), encoding="utf-8")
            self._run = Run(load_flow(path))
        self._record = record
        self._run.ledger.on_fate(self._note)

    def run(self) -> None:
        self._run.run()

    def stop(self) -> None:
        self._run.stop()

    def _note(self, fate: Fate) -> None:
        self._record.decoded.append(time.monotonic())
        if fate.fate == "delivered":
            self._record.add(fate.took["end_to_end"])
