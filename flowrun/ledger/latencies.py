"""How long frames take: end to end, in each stage and in each hook."""

from __future__ import annotations

from collections.abc import Mapping

from flowrun.ledger.fates import STAGES, Stage
from flowrun.ledger.histogram import Histogram
from flowrun.ledger.hook_times import HookTime


class Latencies:
    """Histograms of seconds, in fixed memory.

    One thread at a time adds to a stage or to a hook; any thread reads.
    """

    __slots__ = ("_overlap", "end_to_end", "hooks", "stages")

    def __init__(self) -> None:
        self.end_to_end = Histogram()  # from capture to delivery
        self.stages: Mapping[str, Histogram] = {stage: Histogram() for stage in STAGES}
        self.hooks: list[HookTime] = []
        # Seconds that a stage spent on several frames at once, counted for more than one of them.
        self._overlap: dict[str, float] = dict.fromkeys(STAGES, 0.0)

    def shared(self, stage: Stage, seconds: float, others: int) -> None:
        """The time of a frame in `stage` was spent on `others`, too."""
        self._overlap[stage] += seconds * others / (1 + others)

    def hook(self, key: str, name: str) -> Histogram:
        """The histogram of the hook at `key` of the flow, called `name`. Call it before the first
        frame, in the order of the flow."""
        self.hooks.append(HookTime(key, name))
        return self.hooks[-1].took

    def mean(self, stage: str) -> float | None:
        """Seconds per frame in `stage`; `None` if nothing was measured."""
        histogram = self.stages[stage]
        return histogram.total / histogram.count if histogram.count else None

    def busy(self, stage: str) -> float:
        """Seconds in which `stage` worked on at least one frame."""
        return self.stages[stage].total - self._overlap[stage]
