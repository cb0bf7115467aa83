"""Log repeated warnings less and less often."""

from __future__ import annotations

import logging
from collections import Counter

log = logging.getLogger("flowrun")


class ThrottledWarnings:
    """Errors that cost single frames. Any thread; memory grows with the kinds of errors only."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def warn(self, error: Exception) -> None:
        """Log the 1st, 10th, 100th … error of the same type and key."""
        kind = f"{type(error).__name__} {getattr(error, 'key', '')}"
        self._counts[kind] += 1
        times = self._counts[kind]
        if str(times).strip("0") == "1":
            log.warning("%s%s", error, f" (for the {times}th time)" if times > 1 else "")
