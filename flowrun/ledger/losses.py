"""Describe in one line which frames a run did not deliver, and why."""

from __future__ import annotations

from collections.abc import Collection

from flowrun.ledger.fates import DROP_CAUSES, FAIL_CAUSES
from flowrun.ledger.ledger import Counts

EXIT_CODE = 3  # of a run that broke the promise of `every_frame`

# The causes that break the promise of `every_frame`. A hook may drop a frame, or fail with an
# `on_error` that accepts that, and a model may send no response.
_LOST = frozenset({"superseded", "stale", *FAIL_CAUSES}) - {"preprocess", "postprocess"}
_TEXTS = {
    "superseded": "a newer frame took its place in a queue",
    "stale": "it waited for longer than backpressure.max_age",
}


def lost_frames(counts: Counts, *, timed_out: bool = False) -> str | None:
    """How many frames a run lost that had promised all of them, and why; `None` if it kept the
    promise. `timed_out`: the run was stopped, and did not finish the frames in flight by its
    deadline. The aborted frames of any other run are not lost: the user has aborted it."""
    lost = _by_cause(counts, _LOST)
    reason = _first(counts, lost) if lost else "the run was stopped, and its deadline has passed"
    if timed_out and counts.fates["aborted"]:
        lost["aborted"] = counts.fates["aborted"]
    if not lost:
        return None
    return (
        f"{sum(lost.values())} of {counts.captured} frames lost ({_listed(lost)}), and"
        f" backpressure: every_frame promises to deliver all; {reason}"
    )


def nothing_delivered(counts: Counts) -> str | None:
    """That a run delivered none of its frames, and why; `None` if it delivered one, or captured
    none."""
    found = _by_cause(counts, {*DROP_CAUSES, *FAIL_CAUSES})
    if counts.fates["delivered"] or not found:
        return None
    late = {"superseded", "stale"}  # often a consequence of the others
    reasons = (found.keys() & set(FAIL_CAUSES)) or (found.keys() - late) or found
    return f"no frame was delivered ({_listed(found)}); {_first(counts, reasons)}"


def _by_cause(counts: Counts, causes: Collection[str]) -> dict[str, int]:
    """How many frames were dropped or failed for each of `causes`; only those with a frame."""
    numbers: dict[str, int] = {cause: counts.fates["dropped", cause] for cause in DROP_CAUSES}
    numbers |= {cause: counts.fates["failed", cause] for cause in FAIL_CAUSES}
    return {cause: n for cause, n in numbers.items() if n and cause in causes}


def _listed(numbers: dict[str, int]) -> str:
    return ", ".join(f"{cause} {n}" for cause, n in numbers.items())


def _first(counts: Counts, causes: Collection[str]) -> str:
    first = min((it for it in counts.first if it.cause in causes), key=lambda it: it.index)
    reason = first.reason or _TEXTS.get(first.cause, first.cause)
    return f"the first was frame {first.index}: {reason}"
