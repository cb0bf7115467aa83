"""Percentiles of durations in fixed memory."""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import accumulate

_PER_OCTAVE = 32  # buckets per doubling: a percentile is at most 1/32 too high
_BAR = _PER_OCTAVE // 4  # buckets in a bar of a picture
_OCTAVES = 42  # from 1 µs to 50 days; what lies outside counts into the first or last bucket
_BUCKETS = _PER_OCTAVE * _OCTAVES
_LONGEST = 2.0**_OCTAVES  # µs
_STEPS = 2 * _PER_OCTAVE  # of the mantissa from 0 to 1, of which the lower half does not occur
_frexp, _ceil = math.frexp, math.ceil

# Half octaves from 0.5 ms to 25 s, as numbers of buckets, whose upper edges these are.
_SHOWN = tuple(_PER_OCTAVE * octave + half for octave in range(9, 25) for half in (-1, 15))


class Histogram:
    """A log-linear histogram of seconds: 1,344 counters, whatever the number of values.

    One thread adds; any thread reads, and sees at worst a value that is counted but not yet in
    `total`.
    """

    __slots__ = ("_buckets", "count", "maximum", "total")

    def __init__(self) -> None:
        self._buckets = [0] * _BUCKETS
        self.count = 0
        self.total = 0.0
        self.maximum: float | None = None

    def add(self, seconds: float) -> None:
        """Count one duration; a negative one counts as zero."""
        # Ten times for every frame: no call that can be spared.
        micros = seconds * 1e6
        if 1 < micros < _LONGEST:
            # A bucket ends with its upper edge. Nothing is rounded here: the edges are exact.
            mantissa, exponent = _frexp(micros)  # mantissa in [0.5, 1)
            bucket = exponent * _PER_OCTAVE + _ceil(mantissa * _STEPS) - _STEPS - 1
        elif micros > 1:
            bucket = -1
        else:
            bucket = 0
            if seconds < 0:
                seconds = 0.0
        self._buckets[bucket] += 1
        self.count += 1
        self.total += seconds
        if self.maximum is None or seconds > self.maximum:
            self.maximum = seconds

    def merge(self, other: Histogram) -> None:
        """Count everything that `other` has counted."""
        self._buckets = [a + b for a, b in zip(self._buckets, other._buckets, strict=True)]
        self.count += other.count
        self.total += other.total
        if other.maximum is not None:
            self.maximum = max(self.maximum or 0.0, other.maximum)

    def percentile(self, share: float) -> float | None:
        """The duration in seconds that `share` (0 to 1) of the values do not exceed: the upper
        edge of its bucket, never above the maximum. `None` without values."""
        if self.maximum is None:
            return None
        rank = max(1, math.ceil(share * self.count))
        bucket = bisect_left(list(accumulate(self._buckets)), rank)
        return min(_upper_edge(bucket), self.maximum)

    def bars(self) -> list[tuple[float, int]]:
        """The values as four bars per doubling: the upper edge of each in seconds and how many lie
        below it and not below the one before, from the first bar that has any to the last."""
        counts = [sum(self._buckets[at : at + _BAR]) for at in range(0, len(self._buckets), _BAR)]
        filled = [bar for bar, count in enumerate(counts) if count]
        if not filled:
            return []
        shown = range(filled[0], filled[-1] + 1)
        return [(_upper_edge((bar + 1) * _BAR - 1), counts[bar]) for bar in shown]

    def cumulated(self) -> list[int]:
        """How many values do not exceed each of `EDGES`, exactly; and, last, how many there are."""
        counts = list(accumulate(self._buckets))
        return [*(counts[bucket] for bucket in _SHOWN), counts[-1]]


def _upper_edge(bucket: int) -> float:
    octave, inside = divmod(bucket, _PER_OCTAVE)
    return math.ldexp(1 + (inside + 1) / _PER_OCTAVE, octave) / 1e6


EDGES = tuple(map(_upper_edge, _SHOWN))  # seconds
