"""The threads of one run."""

from __future__ import annotations

import time

from flowrun.operators.loop import LoopScheduler, ThreadLoop


class RunThreads:
    """The caller's loop, and loops on threads of their own. An exception in one of those is raised
    by the caller's loop."""

    def __init__(self) -> None:
        self.main = LoopScheduler()
        self._threads: list[ThreadLoop] = []

    def thread(self, name: str) -> ThreadLoop:
        """Start a loop on a new thread."""
        thread = ThreadLoop(f"flowrun-{name}", self.main.fail)
        self._threads.append(thread)
        return thread

    def stop(self, timeout: float) -> bool:
        """Stop all threads and wait at most `timeout` seconds for them; whether all have ended."""
        for thread in self._threads:
            thread.stop()
        end = time.monotonic() + timeout
        ended = [thread.join(max(0.0, end - time.monotonic())) for thread in self._threads]
        return all(ended)
