"""The processes of tests: their time limit and their end."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from flowrun.inspect.testing.processes import CancelledError, Processes

FOREVER = ("http.server", "--bind", "127.0.0.1", "0")


def test_the_output_and_the_exit_code_are_those_of_the_process(tmp_path: Path) -> None:
    ended = Processes(60.0).run(["base64", "-h"], tmp_path)
    assert ended.code == 0
    assert "usage" in ended.output


def test_a_process_is_ended_at_its_time_limit(tmp_path: Path) -> None:
    assert Processes(0.1).run(FOREVER, tmp_path).code is None


def test_the_end_of_all_ends_those_that_run_and_starts_no_more(tmp_path: Path) -> None:
    processes = Processes(60.0)
    raised: list[Exception] = []

    def run() -> None:
        try:
            processes.run(FOREVER, tmp_path)
        except CancelledError as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    processes.end()
    thread.join(30.0)
    assert not thread.is_alive()
    assert len(raised) == 1
    with pytest.raises(CancelledError):
        processes.run(FOREVER, tmp_path)
