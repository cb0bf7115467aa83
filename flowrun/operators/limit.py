"""How many values may be in flight at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median


class Limit:
    """A fixed number. `enter` and `leave` are called under the lock of the operator that asks."""

    def __init__(self, value: int) -> None:
        if value < 1:
            raise ValueError(f"limit is {value}, must be at least 1")
        self.value = value

    def enter(self) -> float:
        """A value takes a slot; what is returned goes to `leave`."""
        return 0.0

    def leave(self, entered: float) -> None:
        """Its slot is free again."""


_SAMPLES = 3  # the least number of values by which a limit is judged
_WAITS = 0.6  # of a value waits at the server: one less
_FLOWS = 0.3  # of a value waits: perhaps one more
_PATIENCE, _LONGEST = 4, 256  # judgements before one more is tried, at first and at most


class AdaptiveLimit(Limit):
    """As many as keep the other side busy and no more, from 1 to `maximum`: what is more only
    queues there, and gets old.

    The estimate is that of TCP Vegas (Brakmo, O'Malley and Peterson, 1994): with n in flight, each
    held for t, of which t0 with nothing before it, n * (1 - t0 / t) are waiting. A limit that is
    never reached is not raised. After a try that only made values wait the next one comes later.

    `clock` gives seconds.
    """

    def __init__(self, maximum: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(maximum)
        self.value = 1
        self._maximum = maximum
        self._clock = clock
        self._inside = 0
        self._reached = False
        self._skip = 0  # values that entered under another limit
        self._held: list[float] = []
        self._alone = float("inf")  # seconds that a value is held when none is before it
        self._patience = _PATIENCE
        self._judgements = 0  # since the limit was changed
        self._trying = False  # the last change was one more

    def enter(self) -> float:
        self._inside += 1
        self._reached |= self._inside >= self.value
        return self._clock()

    def leave(self, entered: float) -> None:
        self._inside -= 1
        if self._skip:
            self._skip -= 1
            return
        self._held.append(self._clock() - entered)
        if len(self._held) >= max(_SAMPLES, 2 * self.value):
            self._judge(median(self._held))
            self._held.clear()
            self._reached = False

    def _judge(self, held: float) -> None:
        self._alone = held if self.value == 1 else min(self._alone, held)
        waiting = self.value * (1 - self._alone / held) if held else 0.0
        self._judgements += 1
        if waiting > _WAITS and self.value > 1:
            if self._trying:
                self._patience = min(self._patience * 2, _LONGEST)
            self._change(-1)
            return
        if self._trying:
            self._trying = False
            self._patience = 1
        due = self._reached and self._judgements >= self._patience
        if waiting < _FLOWS and due and self.value < self._maximum:
            self._change(+1)

    def _change(self, by: int) -> None:
        self.value += by
        self._trying = by > 0
        self._judgements = 0
        self._skip = self._inside
