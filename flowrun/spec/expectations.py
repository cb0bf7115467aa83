"""The expectations of a flow: keys of the summary, each with what it is compared with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Literal, NamedTuple, cast

from flowrun.spec.units import duration

Comparison = Literal[">=", "<=", ">", "<", "=="]
Unit = Literal["", "%", "s"]

ATTACHED = "attached."  # the prefix of a key whose value hooks attach
_CAUSES = {
    "dropped": ("superseded", "stale", "hook", "no_response"),
    "failed": ("preprocess", "transport", "timeout", "postprocess", "sink"),
}
_PARTS = ("source", "transport", "sink")
_WORKING = ("source", "preprocess", "transport", "postprocess", "sink")
_TIMED = ("end_to_end", "buffer", "order", *_WORKING)
_POINTS = ("p50", "p95", "p99", "max")

# Frames, also as a percentage of the captured ones.
FRAMES = (
    "delivered",
    *(key for fate, causes in _CAUSES.items() for key in (fate, *(f"{fate}.{c}" for c in causes))),
    "aborted",
)
COUNTS = ("captured", "repeated", "generation", "reconnects", *(f"reconnects.{p}" for p in _PARTS))
LATENCIES = tuple(f"latency.{stage}.{point}" for stage in _TIMED for point in _POINTS)
DURATIONS = (
    *LATENCIES,
    *(f"unavailable_s.{part}" for part in _PARTS),
    "duration_s",
    "period_ms",
    *(f"busy_ms.{stage}" for stage in _WORKING),
)
RATES = ("fps",)
KEYS = (*FRAMES, *COUNTS, *DURATIONS, *RATES)

_AT_MOST = ("<=", "<")
_VALUE = re.compile(r"(>=|<=|>|<|==)?\s*(-?\d+(?:\.\d+)?)\s*(%|ms|s|m|h|d)?", re.ASCII)


class Expectation(NamedTuple):
    """That the value under `key` of the summary, or attached by hooks, compares with `value`: a
    number, a percentage of the captured frames (`unit` is `%`) or seconds (`s`). `text` is the
    value as it is written in the flow."""

    key: str
    comparison: Comparison
    value: Fraction
    unit: Unit
    text: str

    def __str__(self) -> str:
        """`delivered >= 99%`"""
        return f"{self.key} {self.expected}"

    @property
    def expected(self) -> str:
        """`>= 99%`"""
        return f"{self.comparison} {self.text}"

    @property
    def attached(self) -> str | None:
        """The name under which hooks attach the value; `None` for a key of the summary."""
        return self.key.removeprefix(ATTACHED) if self.key.startswith(ATTACHED) else None

    @property
    def windowed(self) -> bool:
        """Whether it can be broken by the last minute of a run alone: percentages, latencies, the
        frame rate, and numbers that must not be exceeded. A number that is to be reached is that
        of a whole run."""
        if self.key in ("duration_s", "period_ms", "generation") or self.key.startswith("busy_ms."):
            return False
        if self.unit == "%" or self.key in LATENCIES or self.key in RATES:
            return True
        return self.comparison in _AT_MOST or (self.comparison == "==" and self.value == 0)


def expectations(data: Mapping[str, Any]) -> tuple[Expectation, ...]:
    """The expectations of `expect`, which is valid by the schema, in the order of the flow."""
    return tuple(_expectation(key, data[key]) for key in data if key != "window")


def _expectation(key: str, value: str | float) -> Expectation:
    found = _VALUE.fullmatch(str(value))
    comparison, number, unit = found.groups() if found else (None, str(value), None)
    timed = key in DURATIONS
    default: Comparison = ">=" if unit == "%" else "<=" if timed else "=="
    amount = Fraction(number)
    if timed:
        amount = Fraction(repr(duration(f"{number}{unit}"))) if unit else amount
    kind: Unit = "s" if timed else "%" if unit == "%" else ""
    return Expectation(
        key, cast(Comparison, comparison) or default, amount, kind, f"{number}{unit or ''}"
    )
