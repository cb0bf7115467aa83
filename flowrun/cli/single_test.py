"""The process of one test of `flowrun test`.

`python -m flowrun.cli.single_test FILE FOLDER [ENV_FILE]…`
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from flowrun.chain.status import Status
from flowrun.cli.guarded import as_process
from flowrun.cli.run import run_flow
from flowrun.cli.stderr import log_to_stderr
from flowrun.inspect.testing import verdict
from flowrun.inspect.testing.isolation import isolated
from flowrun.inspect.testing.recorder import GoldenRecorder
from flowrun.spec.env_file import environment
from flowrun.spec.load import load


def main() -> int:
    """Run the test FILE; what it writes is in FOLDER. Standard input ends with `flowrun test`."""
    path, folder, *env_files = sys.argv[1:]
    _end_with_parent()
    return as_process(lambda: _run(path, Path(folder), env_files))


def _run(path: str, folder: Path, env_files: list[str]) -> int:
    log_to_stderr()
    loaded = load(path, environ=environment(env_files, os.environ))
    flow = isolated(loaded, folder)
    options = argparse.Namespace(
        summary=str(folder / verdict.SUMMARY),
        summary_file=folder / verdict.SUMMARY,
        benchmark=False,
        verbose=False,
    )
    if flow.golden is None:
        return run_flow(flow, loaded, options)
    actual = folder / verdict.ACTUAL
    actual.mkdir()
    verdict.save_spec(folder, flow.golden)
    recorders: list[GoldenRecorder] = []
    every = flow.golden.every

    def observe(status: Status) -> GoldenRecorder:
        recorders.append(GoldenRecorder(status, folder=actual, every=every))
        return recorders[0]

    code = run_flow(flow, loaded, options, observe)
    for recorder in recorders:
        recorder.save()
    return code


def _end_with_parent() -> None:
    """End this process, and those that it has started, when standard input ends: `flowrun test` was
    killed."""
    parent = os.dup(0)  # a hook may read standard input
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)

    def wait() -> None:
        while os.read(parent, 1):
            pass
        if os.name == "posix" and os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os._exit(1)

    threading.Thread(target=wait, name="flowrun-parent", daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
