"""How a run is doing, while it runs: a line that moves on a terminal, log lines elsewhere."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any

from flowrun.spec.flow import Flow

log = logging.getLogger("flowrun")

Status = Mapping[str, Any]  # see `Run.status`
Show = Callable[[float | None, str], None]  # how much is done (0 to 1), and the numbers

DRAWING = 0.25  # seconds from one picture of the line to the next
LOGGING = 10.0  # seconds from one log line to the next; a run shorter than that has none
_LEAST = 1e-6  # of a run has to be over for the rest of it to be foreseen


class Progress:
    """Tells on standard error how the run of `flow` is doing, from `with` on until it is closed.

    A thread of its own asks `status`, and nothing of it ever waits for a terminal. Log lines appear
    above the moving line.
    """

    def __init__(
        self,
        flow: Flow,
        status: Callable[[], Status],
        wait: Callable[[threading.Event, float], bool] = threading.Event.wait,
    ) -> None:
        self._flow = flow
        self._status = status
        self._wait = wait
        self._over = threading.Event()
        self._open = ExitStack()
        self._thread = threading.Thread(target=self._tell, name="flowrun-progress", daemon=True)

    def __enter__(self) -> Progress:
        if _terminal():
            self._every, self._show = DRAWING, self._open.enter_context(_line())
        else:
            self._every, self._show = LOGGING, _log
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the terminal as it was. From any thread; idempotent."""
        self._over.set()
        self._thread.join()
        self._open.close()

    def _tell(self) -> None:
        while not self._wait(self._over, self._every):
            status = self._status()
            done = share_done(status, self._flow)
            self._show(done, in_numbers(status, done))


def share_done(status: Status, flow: Flow) -> float | None:
    """How much of the run is over, 0 to 1; `None` if its length is not known."""
    source, limits = status["source"], flow.limits
    endless = source["live"] or flow.source.loop
    lengths = [
        (status["captured"], limits.frames),
        (source["time"], limits.duration),
        (source["time"], None if endless else source["duration"]),
        (status["captured"], None if endless else source["frames"]),
    ]
    shares = [done / length for done, length in lengths if length and done is not None]
    return min(1.0, max(shares)) if shares else None


def in_numbers(status: Status, done: float | None) -> str:
    """One line: `0:12 left, 126 frames, 29.8 fps, 3 dropped, 41 ms, 2 in flight`; how long it has
    run where it is not known how long it will. What it waits for stands in front of it, and alone
    while there has been no frame."""
    waiting = [f"waiting for {each}" for each in status["waiting_for"][:1]]
    if status["state"] == "stopping":
        waiting = ["stopping"]
    if waiting and not status["captured"]:
        return waiting[0]
    seconds, again = status["duration_s"], sum(status["reconnects"].values())
    median = status["latency_ms"]["end_to_end"]["p50"]
    clock = _clock(seconds)
    if done is not None and done > _LEAST:
        clock = f"{_clock(seconds * (1 - done) / done)} left"
    facts = [
        (True, clock),
        (True, f"{status['delivered']} frames"),
        (True, f"{status['fps_now']:.1f} fps"),
        *((count, f"{count} {fate}") for fate, count in _lost(status).items()),
        (median is not None, f"{median or 0:.0f} ms"),
        (True, f"{status['in_flight']} in flight"),
        (again, "1 reconnect" if again == 1 else f"{again} reconnects"),
    ]
    return ", ".join([*waiting, *(fact for worth, fact in facts if worth)])


def _lost(status: Status) -> dict[str, int]:
    return {fate: sum(status[fate].values()) for fate in ("dropped", "failed")}


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _terminal() -> bool:
    """Whether standard error is one that can move back to the start of a line."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def _log(done: float | None, numbers: str) -> None:
    log.info("%s%s", "" if done is None else f"{done:.0%} done, ", numbers)


@contextmanager
def _line() -> Iterator[Show]:
    """A line at the bottom of the terminal. It is as wide as that, and gone afterwards."""
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm

    tqdm.monitor_interval = 0  # no thread of its own: ours draws
    tqdm.set_lock(threading.RLock())  # nor a lock between processes
    with logging_redirect_tqdm(), tqdm(total=1.0, leave=False, ncols=_columns()) as bar:

        def show(done: float | None, numbers: str) -> None:
            bar.bar_format = "{desc}" if done is None else "{percentage:3.0f}%|{bar}| {desc}"
            bar.n = done or 0.0
            bar.ncols = _columns()  # it may have been resized
            bar.set_description_str(numbers)

        yield show


def _columns() -> int:
    """How wide the line may be, so that there is room for the `^C` of a terminal behind it."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns - 3
    except OSError:
        return 77
