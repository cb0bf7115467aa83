"""Run one way until standard input ends: `python -m benchmarks.live.client WAY`.

The first line of standard input is the job as JSON. Prints `started` at the first result, and at
the end the record as JSON. CPU time and memory are measured from outside.
"""

from __future__ import annotations

import importlib
import json
import sys
import threading
from dataclasses import asdict

from benchmarks.live.job import Job, Record


def main(way: str) -> None:
    job, record = Job(**json.loads(sys.stdin.readline())), Record()
    client = importlib.import_module(f"benchmarks.live.{way}").Client(job, record)

    def stop() -> None:
        sys.stdin.read()
        client.stop()

    threading.Thread(target=stop, daemon=True).start()
    client.run()
    print(json.dumps(asdict(record)))


if __name__ == "__main__":
    main(sys.argv[1])
