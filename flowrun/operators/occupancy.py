"""How full a buffer is, for status and metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Occupancy(Generic[T]):
    """The depth, the capacity and the oldest value of an operator's buffer.

    Any thread may read; there is no lock, and no cost per value. `depth` and `capacity` are 0 and
    `oldest` is `None` before the subscription; after dispose `depth` and `oldest` are again.
    """

    def __init__(self) -> None:
        self._held: Sequence[T] = ()
        self.capacity = 0

    def watch(self, held: Sequence[T], capacity: int) -> None:
        """Report on `held`, the oldest first, which the operator changes."""
        self._held, self.capacity = held, capacity

    @property
    def depth(self) -> int:
        return len(self._held)

    @property
    def oldest(self) -> T | None:
        try:
            return self._held[0]
        except IndexError:  # no check beforehand: another thread may take it in between
            return None
