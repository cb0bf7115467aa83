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

    @property
    def settled(self) -> int:
        """The number without what is only being tried."""
        return self.value

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

    Hill climbing on the throughput. While the window is full, some more or some less are tried. If
    n at once are answered at some rate, n + k that do not wait for each other are answered at
    (n + k) / n of it; k more stay if they bring at least half of that gain, and are given up if
    they do not. At first the window doubles, as in TCP's slow start (RFC 5681); from the first try
    in vain on the step is halved each time, down to one. Then tries in vain become rare.

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
        self._step = 0  # the try: how many more, or less (below 0); none
        self._direction = 1
        self._stride = 1
        self._starting = True  # no try was in vain so far
        self._patience = _PATIENCE
        self._judgements = 0  # since the last try

    @property
    def settled(self) -> int:
        return self.value - self._step

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
                self._patience, self._direction = 1, -1
                self._stride = max(1, self.value // 2)
            self._rate = rate
            self._judgements += 1
            if self._judgements >= self._patience:
                self._try()

    def _try(self) -> None:
        for direction in (self._direction, -self._direction):
            tried = min(max(self.value + direction * self._stride, 1), self._maximum)
            if tried != self.value:
                self._step = tried - self.value
                self._direction = direction
                self._change(self._step)
                return

    def _end_try(self, rate: float, full: bool) -> None:
        step, self._step = self._step, 0
        less, more = (self._rate, rate) if step > 0 else (rate, self._rate)
        smaller = min(self.value, self.value - step)
        gained = more >= less * (1 + _WORTH * abs(step) / smaller) or (step == 1 and not full)
        self._judgements = 0
        if gained == (step > 0):
            self._rate, self._patience = rate, 1
            if self._starting:
                self._stride = self.value
            return
        self._starting = False
        self._direction = -self._direction
        if self._stride > 1:
            self._stride, self._patience = self._stride // 2, 1
        else:
            self._patience = min(max(self._patience * 2, _PATIENCE), _LONGEST)
        self._change(-step)

    def _change(self, by: int) -> None:
        self.value += by
        self._skip = self.inside

    def _begin(self) -> None:
        self._since = self._clock()
        self._left = self._left_full = 0
