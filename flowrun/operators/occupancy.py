"""How full an operator is, for whoever watches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Occupancy(Generic[T]):
    """What waits in an operator that was given this: how many of how many, and the oldest.

    Any thread asks; nobody waits for it, and nothing is noted for each value. All of it is 0 and
    `None` before the subscription, `depth` and `oldest` after dispose.
    """

    def __init__(self) -> None:
        self._held: Sequence[T] = ()
        self.capacity = 0

    def watch(self, held: Sequence[T], capacity: int) -> None:
        """From now on this is what waits, the oldest first: somebody else changes it."""
        self._held, self.capacity = held, capacity

    @property
    def depth(self) -> int:
        return len(self._held)

    @property
    def oldest(self) -> T | None:
        try:
            return self._held[0]
        except IndexError:  # it may have been taken just now, so there is no asking first
            return None
