"""What became of one item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


@dataclass(slots=True)  # not frozen: that makes each one three times as dear
class Outcome(Generic[T, R]):
    """`item` and the `value` that came of it or, if `error` is not None, why none did."""

    item: T
    value: R | None = None
    error: BaseException | None = None
