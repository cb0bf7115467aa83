"""How long each hook takes of the time that a frame has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flowrun.ledger.bottleneck import short
from flowrun.ledger.histogram import Histogram


@dataclass(frozen=True, slots=True, eq=False)
class HookTime:
    """What the hook at the key `hook` of the flow (`preprocess[0]`), called `name`, took for each
    frame."""

    hook: str
    name: str
    took: Histogram = field(default_factory=Histogram)

    @property
    def stage(self) -> str:
        """`preprocess` or `postprocess`, whose hooks share a thread, and so the time of a frame."""
        return self.hook.partition("[")[0]

    @property
    def mean(self) -> float:
        """Seconds; 0 if it was not called."""
        return self.took.total / self.took.count if self.took.count else 0.0


def shares(hooks: Sequence[HookTime], period: float | None) -> list[dict[str, Any]]:
    """What the summary says of each hook, in the order of the flow.

    `share` is the mean time over `period`, the seconds that a frame has: above 1, the hook alone
    cannot keep up with the source. `slow` are those that have more than an even share of the
    period while all hooks of their stage take more than all of it. `None` where nothing was
    measured.
    """
    said = []
    for each in hooks:
        beside = [other for other in hooks if other.stage == each.stage]
        late = period is not None and sum(other.mean for other in beside) > period
        p95 = each.took.percentile(0.95)
        said.append(
            {
                "hook": each.hook,
                "name": each.name,
                "mean_ms": round(each.mean * 1000, 3) if each.took.count else None,
                "p95_ms": None if p95 is None else round(p95 * 1000, 3),
                "share": round(each.mean / period, 3) if period and each.took.count else None,
                "slow": bool(period and late and each.mean > period / len(beside)),
            }
        )
    return said


def complaints(hooks: Sequence[dict[str, Any]], period_ms: float | None) -> list[str]:
    """A line for each slow one of the summary's `hooks`."""
    return [
        f"  {each['hook']} {each['name']} takes {short(each['mean_ms'])} ms"
        f" of the {short(period_ms)} ms that a frame has"
        for each in hooks
        if period_ms and each["slow"]
    ]
