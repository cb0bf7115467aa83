"""What this process has used."""

from __future__ import annotations

import sys

import pytest

from flowrun.system.usage import cpu_seconds, machine_memory, peak_memory


def test_cpu_time_grows() -> None:
    before = cpu_seconds()
    while cpu_seconds() == before:
        sum(range(10_000))
    assert cpu_seconds() > before


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_the_peak_of_memory_is_less_than_that_of_the_machine() -> None:
    peak, machine = peak_memory(), machine_memory()
    assert peak is not None
    assert machine is not None
    assert 1e6 < peak < machine
