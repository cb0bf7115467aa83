"""Decide whether and when a flow that has ended is started again."""

from __future__ import annotations

from flowrun.media.backoff import Backoff
from flowrun.spec.flow import Flow, Reconnect

_FINAL = frozenset({2, 78})  # errors of the command line and of the flow: a start changes nothing


class Restarts:
    """The restarts of one flow: after 1, 2, 4, … 30 s, from 1 s again once it has run for 10 s.

    Nothing restarts a flow that is invalid, or whose recording has ended with exit code 0.
    """

    def __init__(self) -> None:
        self._backoff = Backoff(Reconnect(jitter=False))

    def delay(self, code: int, *, finite: bool, now: float, healthy: float) -> float | None:
        """The seconds until the next start of a flow that has ended at `now` with exit code `code`,
        after it had run for `healthy` seconds; `None` if it is not started again."""
        if code in _FINAL or (code == 0 and finite):
            return None
        return self._backoff.next_delay(now, healthy)


def is_finite(flow: Flow, live: bool | None) -> bool:
    """Whether `flow` has an end of its own. `live` is what its source has turned out to be, `None`
    if it has not been open."""
    if flow.limits.frames is not None or flow.limits.duration is not None:
        return True
    known = flow.source.live if live is None else live
    return not known and not flow.source.loop
