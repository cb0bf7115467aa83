"""Compare what a run did with what its flow expects, as pure functions."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from flowrun.spec.expectations import ATTACHED, Expectation

Number = int | float
Values = Mapping[str, Number | None]  # by the keys of expectations; durations in seconds

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
}
_SUMS = ("dropped", "failed", "reconnects")


@dataclass(frozen=True, slots=True)
class Finding:
    """An expectation and what was found: `holds` is `None` while it cannot be judged. `found` is
    text, such as `90% (36 of 40)`, and `value` the same as a number: a percentage, seconds or the
    number itself, `None` if there is none."""

    key: str
    expected: str
    found: str
    value: float | None
    holds: bool | None

    @property
    def sentence(self) -> str:
        """`delivered is 90% (36 of 40), expected >= 99%`"""
        return f"{self.key} is {self.found}, expected {self.expected}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def judge(expectation: Expectation, values: Values, frames: Number) -> Finding:
    """Compare one expectation with `values`; percentages are those of `frames`.

    A value that nothing was measured for, and a percentage of no frames, hold no expectation.
    """
    found = values.get(expectation.key)
    share = expectation.unit == "%"
    if found is None or (share and not frames):
        nothing = "nothing" if found is None else "0 of 0 frames"
        return Finding(expectation.key, expectation.expected, nothing, None, holds=False)
    value: Any = Fraction(found) / Fraction(frames) * 100 if share else found
    # Exact for counts and percentages; a duration is compared as the float that it was read as.
    limit = float(expectation.value) if isinstance(value, float) else expectation.value
    text = _text(float(value), expectation.unit)
    if share:
        text += f" ({_text(float(found), '')} of {_text(float(frames), '')})"
    return Finding(
        expectation.key,
        expectation.expected,
        text,
        round(float(value), 6),
        holds=bool(_COMPARE[expectation.comparison](value, limit)),
    )


def values_of(summary: Mapping[str, Any], attached: Mapping[str, Number]) -> dict[str, Any]:
    """The values of a summary by the keys of expectations, and those that hooks have attached."""
    values: dict[str, Any] = {}
    for key, value in summary.items():
        if key == "latency_ms":
            for stage, points in value.items():
                values |= {f"latency.{stage}.{at}": _seconds(ms) for at, ms in points.items()}
        elif key == "busy_ms":
            values |= {f"busy_ms.{stage}": _seconds(ms) for stage, ms in value.items()}
        elif key == "period_ms":
            values[key] = _seconds(value)
        elif isinstance(value, dict):
            values |= {f"{key}.{name}": number for name, number in value.items()}
            if key in _SUMS:
                values[key] = sum(value.values())
        else:
            values[key] = value
    return values | {f"{ATTACHED}{name}": value for name, value in attached.items()}


def broken(findings: Iterable[Finding]) -> str | None:
    """One line about the expectations that do not hold; `None` if there are none."""
    listed = list(findings)
    failed = [each.sentence for each in listed if each.holds is False]
    if not failed:
        return None
    return f"{len(failed)} of {len(listed)} expectations broken: {'; '.join(failed)}"


def table(findings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lines of text: what was expected, and what was found."""
    rows = [(f"{each['key']} {each['expected']}", each) for each in findings]
    width = max((len(text) for text, _ in rows), default=0)
    states = {True: "holds", False: "broken", None: "not judged yet"}
    return [
        f"  expected {text:{width}}  {states[each['holds']]}: {each['found']}"
        for text, each in rows
    ]


def attached_number(data: Mapping[str, Any], name: str) -> Number | None:
    """What hooks attached to a frame under `name`, as a number: of lists, mappings and arrays their
    length. `door.in` is the entry `in` of what is attached as `door`. `None` if there is none."""
    value: Any = data.get(name)
    if name not in data:
        value = data
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    try:
        if isinstance(value, np.ndarray) and value.ndim == 0:
            value = value.item()
        if isinstance(value, bool | int | float | np.number | np.bool_):
            number = float(value)
            whole = math.isfinite(number) and number.is_integer()
            return int(number) if whole else number if math.isfinite(number) else None
        return len(value) if isinstance(value, list | tuple | Mapping | np.ndarray) else None
    except Exception:  # an object of the user's code may raise anything
        return None


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _text(value: float, unit: str) -> str:
    if unit == "%":
        # Rounded down: what is not all is not shown as 100 %.
        return f"{math.floor(value * 100) / 100:g}%"
    if unit == "s":
        return f"{value * 1000:.4g}ms" if value < 1 else f"{value:.6g}s"
    return f"{value:.0f}" if value.is_integer() else f"{value:.4g}"
