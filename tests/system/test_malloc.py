"""The memory of freed pictures is reused."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from flowrun.system.malloc import environment

COUNT = """
import resource, sys, threading
from flowrun.system.malloc import keep_freed_memory

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


glibc = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="other systems are left as they are"
)


@glibc
def test_pictures_that_come_and_go_get_their_memory_from_the_kernel_once() -> None:
    kept = fetched("kept")
    assert kept < 6  # pictures' worth of pages, of two at a time
    assert kept < fetched("given back") / 4


@glibc
def test_a_child_inherits_the_settings() -> None:
    assert fetched("given back", environment()) < 6


def test_settings_in_the_environment_take_precedence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_ARENA_MAX", "8")
    assert environment()["MALLOC_ARENA_MAX"] == "8"
    assert environment().items() >= os.environ.items()


def fetched(which: str, env: dict[str, str] | None = None) -> float:
    done = subprocess.run(
        [sys.executable, "-c", COUNT, which],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=env,
    )
    return float(done.stdout)
