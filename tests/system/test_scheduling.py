"""No library makes the threads of this process real-time threads."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from flowrun.system.scheduling import normal_threads

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="is Linux's")


def test_threads_that_became_real_time_ones_are_normal_again() -> None:
    stop, ready, threads = threading.Event(), threading.Event(), []

    def realtime() -> None:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        ready.set()
        stop.wait(30.0)

    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        pytest.skip("this user may not use real-time scheduling")
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    with normal_threads():
        thread = threading.Thread(target=realtime)
        threads.append(thread)
        thread.start()
        assert ready.wait(30.0)
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    try:
        assert thread.native_id is not None
        found = [os.sched_getscheduler(each) for each in (0, thread.native_id)]
    finally:
        stop.set()
        thread.join(30.0)
    assert found == [os.SCHED_OTHER] * 2
