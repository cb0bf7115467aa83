"""The fates of a frame, their causes, and the stages that a frame passes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

FateName = Literal["delivered", "dropped", "failed", "aborted"]
DropCause = Literal["superseded", "stale", "hook", "no_response"]
FailCause = Literal["preprocess", "transport", "timeout", "postprocess", "sink"]
Stage = Literal["source", "buffer", "preprocess", "transport", "order", "postprocess", "sink"]

DROP_CAUSES: tuple[DropCause, ...] = ("superseded", "stale", "hook", "no_response")
FAIL_CAUSES: tuple[FailCause, ...] = ("preprocess", "transport", "timeout", "postprocess", "sink")
STAGES: tuple[Stage, ...] = (
    "source",  # the source made the frame
    "buffer",  # the frame waited for preprocessing
    "preprocess",
    "transport",  # from request to response, without the wait for a free slot
    "order",  # the response waited for the ones before it, and for the sink
    "postprocess",
    "sink",
)


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A frame that was not delivered, and why; `reason` is one line, `None` where the cause is all
    there is to say."""

    index: int
    cause: DropCause | FailCause
    reason: str | None


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a frame. `took` holds seconds: the stages that it passed, and `end_to_end`,
    the time since it was captured. `data` is what hooks attached."""

    index: int
    time: float
    fate: FateName
    cause: DropCause | FailCause | None
    took: Mapping[str, float]
    data: Mapping[str, Any]
