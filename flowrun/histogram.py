"""Percentiles of durations in fixed memory."""

from __future__ import annotations

import math

_PER_OCTAVE = 32  # buckets per doubling: a percentile is at most 1/32 too high
_OCTAVES = 42  # from 1 µs to 50 days; what lies outside counts into the first or last bucket
_BUCKETS = _PER_OCTAVE * _OCTAVES
_frexp = math.frexp


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
        seconds = max(seconds, 0.0)
        mantissa, exponent = _frexp(seconds * 1e6)  # mantissa in [0.5, 1)
        bucket = int((exponent - 2 + 2 * mantissa) * _PER_OCTAVE) if exponent > 0 else 0  # < 1 µs
        self._buckets[bucket if bucket < _BUCKETS else -1] += 1
        self.count += 1
        self.total += seconds
        if self.maximum is None or seconds > self.maximum:
            self.maximum = seconds

    def percentile(self, share: float) -> float | None:
        """The duration in seconds that `share` (0 to 1) of the values do not exceed: the upper
        edge of its bucket, never above the maximum. `None` without values."""
        if self.maximum is None:
            return None
        rank, seen = math.ceil(share * self.count), 0
        for bucket, n in enumerate(self._buckets):
            seen += n
            if n and seen >= rank:
                return min(_upper_edge(bucket), self.maximum)
        return self.maximum


def _upper_edge(bucket: int) -> float:
    octave, inside = divmod(bucket, _PER_OCTAVE)
    return math.ldexp(1 + (inside + 1) / _PER_OCTAVE, octave) / 1e6
