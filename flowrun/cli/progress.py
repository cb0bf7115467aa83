"""Show the progress of a run: a progress bar on a terminal, log lines elsewhere."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from flowrun.cli.color import YELLOW, has_color, paint
from flowrun.cli.process_exit import within
from flowrun.cli.stderr import prints_json
from flowrun.cli.streams import stderr
from flowrun.foreign import one_line
from flowrun.spec.flow import Flow

log = logging.getLogger("flowrun")

Status = Mapping[str, Any]  # see `Run.status`
Show = Callable[[Status, float | None], None]  # the status, and the fraction done (0 to 1)

DRAW_INTERVAL = 0.25  # seconds between updates of the progress bar
CLOSE_TIMEOUT = 0.2  # seconds, each for the last update and for removing the bar
LOG_INTERVAL = 10.0  # seconds between log lines; a shorter run has none
_MIN_FRACTION = 1e-6  # done, below which the remaining time is not estimated
_AROUND_BAR = len("100%|| ")  # characters
_MIN_BAR = 5  # characters; a shorter one is omitted


class Progress:
    """Show the progress of the run of `flow` on standard error, from `with` until it is closed.

    It polls `status` on a thread of its own, so that the run never waits for the terminal. Log
    lines appear above the progress bar.
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
        self._thread = threading.Thread(target=self._poll, name="flowrun-progress", daemon=True)

    def __enter__(self) -> Progress:
        if _is_terminal():
            self._interval, self._show = DRAW_INTERVAL, self._open.enter_context(_bar())
        else:
            self._interval, self._show = LOG_INTERVAL, _log
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop and remove the progress bar, unless the terminal blocks. From any thread;
        idempotent."""
        self._over.set()
        self._thread.join(CLOSE_TIMEOUT)
        within(CLOSE_TIMEOUT, self._open.close)

    def _poll(self) -> None:
        while not self._wait(self._over, self._interval):
            status = self._status()
            self._show(status, fraction_done(status, self._flow))


def fraction_done(status: Status, flow: Flow) -> float | None:
    """The fraction of the run that is done, 0 to 1; `None` if its length is unknown."""
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


def progress_line(
    status: Status, done: float | None, columns: int | None = None, *, percent: bool = False
) -> str:
    """One line: `0:12 left, 126 frames, 29.8 fps, 3 dropped, 41 ms, 2 in flight`.

    The elapsed time if the remaining time is unknown. What the run waits for comes first, and alone
    until the first frame. Of a line longer than `columns`, the least telling numbers are omitted.
    With `percent`, the line has `done`, too.
    """
    waiting = [f"waiting for {each}" for each in status["waiting_for"][:1]]
    if status["state"] == "stopping":
        waiting = ["stopping"]
    if waiting and not status["captured"]:
        return _shortened(waiting[0], columns)
    seconds, again = status["duration_s"], sum(status["reconnects"].values())
    median = status["latency_ms"]["end_to_end"]["p50"]
    clock = _clock(seconds)
    if done is not None and done > _MIN_FRACTION:
        clock = f"{_clock(seconds * (1 - done) / done)} left"
    share = done if percent else None
    facts = [  # with their ranks: the highest is omitted first
        (0, waiting, "".join(waiting)),
        (1, share is not None, f"{share or 0:.0%}"),
        (2, True, clock),
        (5, True, f"{status['delivered']} frames"),
        (4, True, f"{status['fps_now']:.1f} fps"),
        *((3, count, f"{count} {fate}") for fate, count in _undelivered(status).items()),
        (6, median is not None, f"{median or 0:.0f} ms"),
        (8, True, f"{status['in_flight']} in flight"),
        (7, again, "1 reconnect" if again == 1 else f"{again} reconnects"),
    ]
    shown = [(rank, one_line(fact)) for rank, relevant, fact in facts if relevant]
    while columns is not None and len(shown) > 1 and _length(shown) > columns:
        shown.remove(max(shown))
    return _shortened(", ".join(fact for _, fact in shown), columns)


def _length(facts: Sequence[tuple[int, str]]) -> int:
    return len(", ".join(fact for _, fact in facts))


def _shortened(text: str, columns: int | None) -> str:
    """`text`, or as many of its first words as `columns` characters have space for."""
    text = one_line(text)
    if columns is None or len(text) <= columns:
        return text
    words = text[: max(columns, 1)].rsplit(" ", 1)[0]
    return f"{words[: max(columns, 1) - 1].rstrip(' ,:')}…"


def _undelivered(status: Status) -> dict[str, int]:
    return {fate: sum(status[fate].values()) for fate in ("dropped", "failed")}


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _is_terminal() -> bool:
    """Whether standard error is a terminal that can redraw a line, and is for people."""
    return stderr().isatty() and os.environ.get("TERM") != "dumb" and not prints_json()


def _log(status: Status, done: float | None) -> None:
    share = "" if done is None else f"{done:.0%} done, "
    log.info("%s%s", share, progress_line(status, done))


@contextmanager
def _bar() -> Iterator[Show]:
    """A progress bar at the bottom of the terminal, as wide as that, and removed at the end."""
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm

    tqdm.monitor_interval = 0  # no monitor thread
    tqdm.set_lock(threading.RLock())  # no lock between processes
    color = has_color(stderr())
    empty = tqdm(file=stderr(), total=1.0, leave=False, ncols=_columns(), bar_format="{desc}")
    with logging_redirect_tqdm(), empty as bar:

        def show(status: Status, done: float | None) -> None:
            bar.ncols = columns = _columns()  # it may have been resized
            line = progress_line(status, done)
            fits = len(line) + _AROUND_BAR + _MIN_BAR <= columns
            if done is None or not fits:
                bar.bar_format = "{desc}"
                line = progress_line(status, done, columns, percent=True)
            else:
                bar.bar_format = "{percentage:3.0f}%|{bar}| {desc}"
                bar.n = done
            troubled = status["waiting_for"] or status["state"] == "stopping"
            bar.set_description_str(paint(line, YELLOW) if troubled and color else line)

        yield show


def _columns() -> int:
    """The width of the progress bar, with space for the `^C` that a terminal echoes after it."""
    try:
        columns = os.get_terminal_size(stderr().fileno()).columns
    except OSError:
        columns = 0
    return max(1, (columns or 80) - 3)  # 0: the terminal does not know it
