"""The outcome of one item: a value or an error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


@dataclass(slots=True)  # not frozen: a frozen one takes three times as long to make
class Outcome(Generic[T, R]):
    """`item`, and its `value` or, if `error` is not None, the error."""

    item: T
    value: R | None = None
    error: BaseException | None = None
