"""Limits of the number of values in flight, fixed and adaptive."""

from __future__ import annotations

import time
from collections.abc import Callable


class Limit:
    """A fixed limit. `inside` counts the values in flight. `enter` and `leave` are called under the
    operator's lock; any thread may read."""

    def __init__(self, value: int) -> None:
        if value < 1:
            raise ValueError(f"limit is {value}, must be at least 1")
        self.value = value
        self.inside = 0

    @property
    def settled(self) -> int:
        """The limit without a probe that is under way."""
        return self.value

    def enter(self) -> None:
        """Take a slot."""
        self.inside += 1

    def leave(self) -> None:
        """Free a slot."""
        self.inside -= 1


_MIN_VALUES = 6  # per measuring period
_FULL_SHARE = 0.75  # of the values left a full window: the limit is the bottleneck
_MIN_GAIN = 0.5  # of the gain of one more slot if requests did not wait for each other
_RATE_DROP = 0.75  # of the rate before: the load has changed
_MIN_PROBE_INTERVAL, _MAX_PROBE_INTERVAL = 4, 256  # measuring periods from probe to probe


class AdaptiveLimit(Limit):
    """The smallest limit, from 1 to `maximum`, that keeps the server busy: more requests would only
    queue there and go stale.

    Hill climbing on the throughput. While the window is full, a larger or smaller limit is probed.
    If n requests at once are served at some rate, n + k that do not wait for each other are served
    at (n + k) / n of it; the larger limit stays if it brings at least half of that gain. At first
    the window doubles, as in TCP's slow start (RFC 5681); from the first unsuccessful probe on the
    step is halved each time, down to one. Then unsuccessful probes become rare.

    `clock` returns seconds.
    """

    def __init__(self, maximum: int, clock: Callable[[], float] = time.monotonic) -> None:
        if maximum < 1:
            raise ValueError(f"limit is {maximum}, must be at least 1")
        super().__init__(1)
        self._maximum = maximum
        self._clock = clock
        self._to_skip = 1  # values that entered under another limit
        self._since = 0.0  # start of the measuring period
        self._left = self._left_full = 0  # since then
        self._rate = 0.0  # per second, at the settled limit
        self._probing = 0  # the probe: how many more, or fewer (below 0); 0: none
        self._direction = 1
        self._step_size = 1
        self._starting = True  # no probe has been unsuccessful so far
        self._probe_interval = _MIN_PROBE_INTERVAL
        self._periods = 0  # since the last probe

    @property
    def settled(self) -> int:
        return self.value - self._probing

    def leave(self) -> None:
        full = self.inside >= self.value
        super().leave()
        if self._to_skip:
            self._to_skip -= 1
            self._begin()
            return
        self._left += 1
        self._left_full += full
        if self._left >= max(_MIN_VALUES, 4 * self.value):
            seconds = self._clock() - self._since
            if seconds > 0:
                self._evaluate(self._left / seconds, self._left_full >= _FULL_SHARE * self._left)
            self._begin()

    def _evaluate(self, rate: float, full: bool) -> None:
        if self._probing:
            self._end_probe(rate, full)
        elif full:
            if rate < _RATE_DROP * self._rate:
                self._probe_interval, self._direction = 1, -1
                self._step_size = max(1, self.value // 2)
            self._rate = rate
            self._periods += 1
            if self._periods >= self._probe_interval:
                self._probe()

    def _probe(self) -> None:
        for direction in (self._direction, -self._direction):
            probed = min(max(self.value + direction * self._step_size, 1), self._maximum)
            if probed != self.value:
                self._probing = probed - self.value
                self._direction = direction
                self._change(self._probing)
                return

    def _end_probe(self, rate: float, full: bool) -> None:
        step, self._probing = self._probing, 0
        less, more = (self._rate, rate) if step > 0 else (rate, self._rate)
        smaller = min(self.value, self.value - step)
        gained = more >= less * (1 + _MIN_GAIN * abs(step) / smaller) or (step == 1 and not full)
        self._periods = 0
        if gained == (step > 0):
            self._rate, self._probe_interval = rate, 1
            if self._starting:
                self._step_size = self.value
            return
        self._starting = False
        self._direction = -self._direction
        if self._step_size > 1:
            self._step_size, self._probe_interval = self._step_size // 2, 1
        else:
            self._probe_interval = min(
                max(self._probe_interval * 2, _MIN_PROBE_INTERVAL), _MAX_PROBE_INTERVAL
            )
        self._change(-step)

    def _change(self, by: int) -> None:
        self.value += by
        self._to_skip = self.inside

    def _begin(self) -> None:
        self._since = self._clock()
        self._left = self._left_full = 0
