"""How many values may be in flight at once."""

from __future__ import annotations

import time
from collections.abc import Callable


class Limit:
    """A fixed number, and how many are `inside`. `enter` and `leave` are called under the lock of
    the operator that asks; any thread reads."""

    def __init__(self, value: int) -> None:
        if value < 1:
            raise ValueError(f"limit is {value}, must be at least 1")
        self.value = value
        self.inside = 0

    def enter(self) -> None:
        """A value takes a slot."""
        self.inside += 1

    def leave(self) -> None:
        """A slot is free again."""
        self.inside -= 1


_SAMPLES = 6  # the least number of values by which a limit is judged
_FULL = 0.75  # of the values left a window that was full: the limit is what holds them up
_WORTH = 0.5  # of what one more would bring if it did not have to wait
_SLUMP = 0.75  # of the rate before: something has changed
_PATIENCE, _LONGEST = 4, 256  # judgements before another limit is tried, at first and at most


class AdaptiveLimit(Limit):
    """As many as keep the other side busy and no more, from 1 to `maximum`: what is more only
    queues there, and gets old.

    Now and then, while the window is full, one more or one less is tried. If n at once are answered
    at some rate, n + 1 that do not wait for each other are answered at (n + 1) / n of it; one more
    stays if it brings at least half of that gain, and is given up if it does not. After a try that
    was in vain the next one comes later.

    `clock` gives seconds.
    """

    def __init__(self, maximum: int, clock: Callable[[], float] = time.monotonic) -> None:
        if maximum < 1:
            raise ValueError(f"limit is {maximum}, must be at least 1")
        super().__init__(1)
        self._maximum = maximum
        self._clock = clock
        self._skip = 1  # values that entered under another limit
        self._since = 0.0
        self._left = self._left_full = 0  # since then
        self._rate = 0.0  # per second, at the limit that is not a try
        self._step = 0  # the try: one more, one less or none
        self._next_step = 1
        self._patience = _PATIENCE
        self._judgements = 0  # since the last try

    def leave(self) -> None:
        full = self.inside >= self.value
        super().leave()
        if self._skip:
            self._skip -= 1
            self._begin()
            return
        self._left += 1
        self._left_full += full
        if self._left >= max(_SAMPLES, 4 * self.value):
            seconds = self._clock() - self._since
            if seconds > 0:
                self._judge(self._left / seconds, self._left_full >= _FULL * self._left)
            self._begin()

    def _judge(self, rate: float, full: bool) -> None:
        if self._step:
            self._end_try(rate, full)
        elif full:
            if rate < _SLUMP * self._rate:
                self._patience, self._next_step = 1, -1
            self._rate = rate
            self._judgements += 1
            if self._judgements >= self._patience:
                self._try()

    def _try(self) -> None:
        step = self._next_step
        if not 1 <= self.value + step <= self._maximum:
            step = -step
        if 1 <= self.value + step <= self._maximum:
            self._step = step
            self._change(step)

    def _end_try(self, rate: float, full: bool) -> None:
        step, self._step = self._step, 0
        less, more = (self._rate, rate) if step > 0 else (rate, self._rate)
        smaller = min(self.value, self.value - step)
        worth = more >= less * (1 + _WORTH / smaller) or (step > 0 and not full)
        self._judgements = 0
        if worth == (step > 0):
            self._rate, self._patience, self._next_step = rate, 1, step
        else:
            self._patience = min(max(self._patience * 2, _PATIENCE), _LONGEST)
            self._next_step = -step
            self._change(-step)

    def _change(self, by: int) -> None:
        self.value += by
        self._skip = self.inside

    def _begin(self) -> None:
        self._since = self._clock()
        self._left = self._left_full = 0
