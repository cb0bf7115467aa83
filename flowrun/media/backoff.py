"""How long to wait before trying again."""

from __future__ import annotations

import random
from collections.abc import Callable

from flowrun.spec.flow import Reconnect

_LEAST = 0.5  # of a wait, with jitter


class Backoff:
    """Waits that double from `initial` to `maximum`, each shortened at random by up to a half if
    there is `jitter`. One thread."""

    def __init__(self, spec: Reconnect, chance: Callable[[], float] = random.random) -> None:
        self._spec = spec
        self._chance = chance
        self._next = spec.initial
        self._failing_since: float | None = None

    def failed(self, now: float, lasted: float = 0.0) -> float | None:
        """The seconds to wait after a connection that failed at `now` and had lasted `lasted`
        seconds; `None` if it has been failing for `give_up_after` and there is no use in waiting.

        Only a connection that was healthy starts the waits again, and the count of time.
        """
        spec = self._spec
        if lasted >= spec.healthy_after or self._failing_since is None:
            self._next, self._failing_since = spec.initial, now
        if spec.give_up_after is not None and now - self._failing_since >= spec.give_up_after:
            return None
        wait = min(self._next, spec.maximum)
        self._next = min(wait * 2, spec.maximum)
        return wait * (_LEAST + (1 - _LEAST) * self._chance() if spec.jitter else 1.0)
