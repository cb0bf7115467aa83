"""Ask an unavailable server again and again whether it is ready."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from flowrun.kserve.client.backoff import FIRST_PAUSE, pause_after

CONNECT_TIMEOUT = 2.0  # seconds that a question waits for a connection
LONGEST_PAUSE = 1.0  # seconds between two questions

Wait = Callable[[threading.Event, float], object]


def probe(
    is_ready: Callable[[float], bool], closed: threading.Event, wait: Wait, failures: int
) -> Iterator[bool]:
    """Yield whether the server is ready, each time after a longer pause, until `closed` is set.

    `failures` outages in a row have brought no response: the first pause grows with them. The first
    question uses a connection that exists; after a negative one, each waits for a connection.
    """
    pause = pause_after(failures, LONGEST_PAUSE)
    timeout = 0.0
    while not closed.is_set():
        if pause:
            wait(closed, pause)
        ready = is_ready(timeout)
        timeout = timeout if ready else CONNECT_TIMEOUT
        yield ready
        pause = min(max(2 * pause, FIRST_PAUSE), LONGEST_PAUSE)
