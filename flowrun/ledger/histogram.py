"""Percentiles of durations in fixed memory."""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import accumulate

_PER_OCTAVE = 32  # buckets per doubling: a percentile is at most 1/32 too high
_OCTAVES = 42  # from 1 µs to 50 days; other values count into the first or last bucket
_BUCKETS = _PER_OCTAVE * _OCTAVES
_LONGEST = 2.0**_OCTAVES  # µs
_STEPS = 2 * _PER_OCTAVE  # of a mantissa from 0 to 1, whose lower half does not occur
_frexp, _ceil = math.frexp, math.ceil


class Histogram:
    """A log-linear histogram of seconds: 1,344 counters, whatever the number of values.

    One thread adds; any thread reads. A reader may see a value that is counted, but not yet in
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
        # Called ten times per frame: no avoidable calls.
        micros = seconds * 1e6
        if 1 < micros < _LONGEST:
            # A bucket includes its upper edge. Nothing is rounded here: the edges are exact.
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
        """Add all values of `other`."""
        self._buckets = [a + b for a, b in zip(self._buckets, other._buckets, strict=True)]
        self.count += other.count
        self.total += other.total
        if other.maximum is not None:
            self.maximum = max(self.maximum or 0.0, other.maximum)

    def copy(self) -> Histogram:
        """The histogram as it is now."""
        made = Histogram()
        made._buckets = list(self._buckets)
        made.count, made.total, made.maximum = sum(made._buckets), self.total, self.maximum
        return made

    def since(self, earlier: Histogram) -> Histogram:
        """The values that were added after `earlier`, a copy of this one, was made. Their maximum
        is the upper edge of a bucket."""
        made = Histogram()
        made._buckets = [a - b for a, b in zip(self._buckets, earlier._buckets, strict=True)]
        made.count, made.total = sum(made._buckets), self.total - earlier.total
        if made.count and self.maximum is not None:
            last = max(at for at, count in enumerate(made._buckets) if count)
            made.maximum = min(_upper_edge(last), self.maximum)
        return made

    def percentile(self, share: float) -> float | None:
        """The duration in seconds that `share` (0 to 1) of the values do not exceed: the upper
        edge of its bucket, at most the maximum. `None` without values."""
        if self.maximum is None:
            return None
        rank = max(1, math.ceil(share * self.count))
        bucket = bisect_left(list(accumulate(self._buckets)), rank)
        return min(_upper_edge(bucket), self.maximum)

    def cumulative(self, per_octave: int) -> list[tuple[float, int]]:
        """An upper edge in seconds, and exactly how many values do not exceed it, for
        `per_octave` edges per doubling (a power of two up to 32), the last of which has all
        values."""
        step = _PER_OCTAVE // per_octave
        counts = list(accumulate(self._buckets))
        return [(_upper_edge(at), counts[at]) for at in range(step - 1, _BUCKETS, step)]


def _upper_edge(bucket: int) -> float:
    octave, inside = divmod(bucket, _PER_OCTAVE)
    return math.ldexp(1 + (inside + 1) / _PER_OCTAVE, octave) / 1e6
