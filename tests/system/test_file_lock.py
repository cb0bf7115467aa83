"""One owner of a lock at a time, though its file comes and goes."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from flowrun.system.file_lock import FileLock


def test_a_lock_has_one_owner_and_its_file_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    lock = FileLock(path)
    with pytest.raises(BlockingIOError):
        FileLock(path)
    assert path.exists()
    lock.release()
    assert not path.exists()
    path.touch()  # as a killed process leaves it
    FileLock(path).release()
    assert not path.exists()


def test_threads_that_lock_and_release_never_own_the_lock_together(tmp_path: Path) -> None:
    owners, most, turns = 0, 0, 0
    guard = threading.Lock()

    def compete() -> None:
        nonlocal owners, most, turns
        for _ in range(300):
            try:
                lock = FileLock(tmp_path / "a.lock")
            except BlockingIOError:
                continue
            with guard:
                owners += 1
                most = max(most, owners)
                turns += 1
            with guard:
                owners -= 1
            lock.release()

    threads = [threading.Thread(target=compete) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert turns > 0


def test_a_file_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FileLock(tmp_path / "missing" / "a.lock")
