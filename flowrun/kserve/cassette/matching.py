"""Find the recorded request that a request repeats."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Literal

import grpc

from flowrun.kserve.cassette.content import RecordedRequest
from flowrun.kserve.cassette.digest import Identity
from flowrun.kserve.conditions import NOT_NOW, of_status

OnUnknown = Literal["error", "nearest"]


class Matching:
    """By position while the requests are the same, by digest after a difference. Not thread-safe.

    `position` is the recorded request that is expected next.
    """

    def __init__(self, requests: Sequence[RecordedRequest], on_unknown: OnUnknown) -> None:
        self.position = 0
        self._requests = requests
        self._nearest = on_unknown == "nearest"
        self._places: dict[str, list[int]] = {}
        for number, request in enumerate(requests):
            self._places.setdefault(request.digest, []).append(number)

    def find(self, request: Identity) -> int | None:
        """The number of the recorded request: the expected one if it is equal, otherwise the next
        equal one, otherwise the first equal one, as in a source that loops. For a request that was
        not recorded `None`, or with `nearest` the expected one, at the end the last."""
        places = self._places.get(request.digest, [])
        following = bisect_left(places, self.position)
        if following < len(places):
            found: int | None = places[following]
        else:
            # One that was refused for the moment would be sent again and again.
            found = next((each for each in places if not _is_refusal(self._requests[each])), None)
        if found is None and self._nearest and self._requests:
            found = min(self.position, len(self._requests) - 1)
        if found is not None:
            self.position = found + 1
        return found


def _is_refusal(request: RecordedRequest) -> bool:
    """Whether the server accepted no requests at that time."""
    statuses = [(each.code, each.details) for each in request.responses]
    if request.end is not None:
        statuses.append((request.end.code, request.end.details))
    codes = grpc.StatusCode.__members__
    return any(of_status(codes[code], details) in NOT_NOW for code, details in statuses)
