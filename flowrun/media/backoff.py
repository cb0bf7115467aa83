"""Compute the delays between attempts to reconnect: exponential backoff with jitter."""

from __future__ import annotations

import random
from collections.abc import Callable

from flowrun.spec.flow import Reconnect

_MIN_JITTER = 0.5  # the smallest factor


class Backoff:
    """Delays that double from `initial` to `maximum`, each shortened at random by up to a half if
    `jitter` is set. One thread."""

    def __init__(self, spec: Reconnect, random: Callable[[], float] = random.random) -> None:
        self._spec = spec
        self._random = random
        self._next = spec.initial
        self._failing_since: float | None = None

    def next_delay(self, now: float, lasted: float = 0.0) -> float | None:
        """The seconds to wait after a connection that lasted `lasted` seconds and failed at `now`;
        `None` once connections have been failing for `give_up_after`.

        Only a connection that was healthy resets the delays and that time.
        """
        spec = self._spec
        if lasted >= spec.healthy_after or self._failing_since is None:
            self._next, self._failing_since = spec.initial, now
        if spec.give_up_after is not None and now - self._failing_since >= spec.give_up_after:
            return None
        delay = min(self._next, spec.maximum)
        self._next = min(delay * 2, spec.maximum)
        return delay * (_MIN_JITTER + (1 - _MIN_JITTER) * self._random() if spec.jitter else 1.0)

    def give_up_hint(self, key: str) -> str:
        """The hint of the error after `next_delay` returned `None`; `key` is `source` or `sink`."""
        seconds = self._spec.give_up_after
        return f"gave up after {seconds:g} s, the value of `{key}.reconnect.give_up_after`"
