"""The memory of pictures is used again."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

COUNT = """
import resource, sys, threading
from flowrun.allocation import keep_freed_memory

if sys.argv[1] == "kept":
    assert keep_freed_memory()

def pictures():
    for _ in range(50):
        one, other = b"x" * 6_220_800, b"y" * 6_220_800
        del one, other

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    thread = threading.Thread(target=pictures)
    thread.start()
    thread.join()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(faults() * resource.getpagesize() / 6_220_800)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other systems are left as they are")
def test_pictures_that_come_and_go_get_their_memory_from_the_kernel_once() -> None:
    kept = fetched("kept")
    assert kept < 6  # pictures' worth of pages, of two at a time
    assert kept < fetched("given back") / 4


def fetched(which: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", COUNT, which], capture_output=True, text=True, timeout=60, check=True
    )
    return float(done.stdout)
