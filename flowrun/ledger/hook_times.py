"""Compare the time of each hook with the frame period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flowrun.ledger.bottleneck import short
from flowrun.ledger.histogram import Histogram


@dataclass(frozen=True, slots=True, eq=False)
class HookTime:
    """The time per frame of the hook at the key `hook` of the flow (`preprocess[0]`), called
    `name`."""

    hook: str
    name: str
    took: Histogram = field(default_factory=Histogram)

    @property
    def stage(self) -> str:
        """`preprocess` or `postprocess`: the hooks of a stage share a thread and the frame
        period."""
        return self.hook.partition("[")[0]

    @property
    def mean(self) -> float:
        """Seconds; 0 if it was not called."""
        return self.took.total / self.took.count if self.took.count else 0.0


def shares(hooks: Sequence[HookTime], period: float | None) -> list[dict[str, Any]]:
    """The summary's entry for each hook, in the order of the flow.

    `share` is the mean time divided by `period`, the frame period in seconds: above 1, the hook
    alone cannot keep up with the source. `slow` is true for a hook that takes more than an even
    share of the period where the hooks of its stage together exceed it. `None` where nothing was
    measured.
    """
    entries = []
    for each in hooks:
        stage = [other for other in hooks if other.stage == each.stage]
        late = period is not None and sum(other.mean for other in stage) > period
        p95 = each.took.percentile(0.95)
        entries.append(
            {
                "hook": each.hook,
                "name": each.name,
                "mean_ms": round(each.mean * 1000, 3) if each.took.count else None,
                "p95_ms": None if p95 is None else round(p95 * 1000, 3),
                "share": round(each.mean / period, 3) if period and each.took.count else None,
                "slow": bool(period and late and each.mean > period / len(stage)),
            }
        )
    return entries


def slow_hook_lines(hooks: Sequence[dict[str, Any]], period_ms: float | None) -> list[str]:
    """A line of text for each slow entry of the summary's `hooks`."""
    return [
        f"  {each['hook']} {each['name']} takes {short(each['mean_ms'])} ms"
        f" of the {short(period_ms)} ms frame period"
        for each in hooks
        if period_ms and each["slow"]
    ]
