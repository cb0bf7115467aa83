"""How many requests a server that was overloaded gets at once."""

from __future__ import annotations

CAUTION = 64  # responses before as many requests are sent as were refused the last time


class SendWindow:
    """Unlimited until the server is overloaded; then additive increase, multiplicative decrease.

    No threads and no lock. `limit` is at least 1, `None` if there is none.
    """

    def __init__(self) -> None:
        self.limit: int | None = None
        self._refused = 0  # so many requests were too many
        self._answers = 0  # since the last change

    def has_space(self, in_flight: int) -> bool:
        return self.limit is None or in_flight < self.limit

    def halve(self, in_flight: int) -> None:
        """The server has refused one of `in_flight` requests as too many."""
        size = max(1, in_flight if self.limit is None else min(self.limit, in_flight))
        self._refused = size
        self.limit, self._answers = max(1, size // 2), 0

    def send_alone(self) -> None:
        """One request at a time, to find out which one it is that fails."""
        self.limit, self._answers = 1, 0

    def answered(self, most: int) -> None:
        """The server has answered; `most` requests were open at once so far: if all of them fit,
        there is no limit any more."""
        if self.limit is None:
            return
        self._answers += 1
        careful = self.limit + 1 >= self._refused > 0
        if self._answers >= (CAUTION if careful else self.limit):
            self.limit, self._answers = self.limit + 1, 0
            self._refused = 0 if careful else self._refused
        if self.limit >= most:
            self.limit = None
