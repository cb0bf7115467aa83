"""How long a part is unavailable."""

from __future__ import annotations

from datetime import datetime

from flowrun.system.downtime import Downtime


def test_the_seconds_of_all_times_are_added_up_and_the_current_one_grows() -> None:
    now = 10.0
    downtime = Downtime(lambda: now)
    assert (downtime.since, downtime.seconds) == (None, 0.0)
    downtime.end()
    before = datetime.now()
    downtime.begin()
    assert downtime.since is not None
    assert before <= downtime.since <= datetime.now()
    now += 2.0
    since = downtime.since
    downtime.begin()
    assert (downtime.since, downtime.seconds) == (since, 2.0)
    now += 1.0
    downtime.end()
    now += 5.0
    downtime.end()
    assert downtime.seconds == 3.0
    downtime.begin()
    now += 0.5
    assert downtime.seconds == 3.5
