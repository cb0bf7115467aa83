"""The threads of one run."""

from __future__ import annotations

from flowrun.operators.loop import LoopScheduler, ThreadLoop


class RunThreads:
    """The loop that the caller serves, and others on threads of their own. What an action of theirs
    raises is raised by the caller's."""

    def __init__(self) -> None:
        self.main = LoopScheduler()
        self._threads: list[ThreadLoop] = []

    def thread(self, name: str) -> ThreadLoop:
        """Another one; its thread runs at once."""
        thread = ThreadLoop(f"flowrun-{name}", self.main.fail)
        self._threads.append(thread)
        return thread

    def stop(self, timeout: float) -> bool:
        """End them all and wait at most `timeout` seconds for each; whether they have ended."""
        for thread in self._threads:
            thread.stop()
        ended = [thread.join(timeout) for thread in self._threads]
        return all(ended)
