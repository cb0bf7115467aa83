"""A stream that cannot be written costs what is printed, and nothing raises."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from flowrun.cli.stderr import print_traceback
from flowrun.cli.stdout import print_stdout, write_stdout
from flowrun.cli.streams import GuardedStream

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d"  # ISO 8601, with the zone

posix = pytest.mark.skipif(os.name != "posix", reason="asks pipes whether they block")


class Broken(io.RawIOBase):
    def __init__(self, error: OSError) -> None:
        self.error = error
        self.calls = 0

    def writable(self) -> bool:
        return True

    def write(self, _: Any) -> int:
        self.calls += 1
        raise self.error


def text(raw: GuardedStream, encoding: str = "utf-8") -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, "replace", newline="\n")


def test_after_the_first_error_nothing_is_written() -> None:
    broken = Broken(OSError(28, "No space left on device"))
    raw = GuardedStream(broken)
    stream = text(raw)
    for _ in range(3):
        print("a", file=stream, flush=True)
    assert broken.calls == 1
    assert raw.error is broken.error


@contextmanager
def pipe() -> Iterator[tuple[int, io.FileIO]]:
    reader, writer = os.pipe()
    with open(reader, "rb", 0), io.FileIO(writer, "wb") as raw:
        yield reader, raw


def fill(raw: io.FileIO) -> None:
    os.set_blocking(raw.fileno(), False)
    for size in (4096, 1):
        while raw.write(b"x" * size) is not None:
            pass
    os.set_blocking(raw.fileno(), True)


@posix
def test_what_nobody_reads_is_discarded_until_somebody_does() -> None:
    with pipe() as (reader, raw):
        fill(raw)
        guarded = GuardedStream(raw, timeout=0.01)
        stream = text(guarded)
        print("lost", file=stream, flush=True)
        os.set_blocking(reader, False)
        with suppress(BlockingIOError):
            while os.read(reader, 65536):
                pass
        print("read", file=stream, flush=True)
        assert guarded.error is None
        assert os.read(reader, 100) == b"read\n"


@posix
def test_a_pipe_that_does_not_block_gets_everything() -> None:
    with pipe() as (reader, raw):
        os.set_blocking(raw.fileno(), False)
        stream = text(GuardedStream(raw))
        writing = threading.Thread(target=lambda: print("y" * 300_000, file=stream, flush=True))
        writing.start()
        read = 0
        while read < 300_001:
            read += len(os.read(reader, 65536))
        writing.join()


@pytest.fixture
def broken_stdout(monkeypatch: pytest.MonkeyPatch) -> Any:
    def broken(number: int, reason: str) -> None:
        stream = text(GuardedStream(Broken(OSError(number, reason))))
        monkeypatch.setattr(sys, "stdout", stream)

    return broken


def test_the_output_of_a_command_that_is_lost_is_reported_unless_the_reader_left(
    broken_stdout: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    broken_stdout(28, "No space left on device")
    assert not print_stdout("a")
    broken_stdout(32, "Broken pipe")
    assert not print_stdout("a")
    assert not write_stdout("a", name="--summary -")
    assert capsys.readouterr().err == (
        "flowrun: standard output cannot be written: No space left on device\n"
        "flowrun: error: --summary -: standard output cannot be written: Broken pipe\n"
    )


def test_letters_that_the_encoding_lacks_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    found = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", text(GuardedStream(found), "ascii"))
    assert print_stdout("straße ─▶ \ud800")
    assert found.getvalue() == b"stra?e ?? ?\n"


def test_the_output_of_commands_has_no_control_characters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_stdout("a\tb\x1b[2J\n\u202ec")
    assert capsys.readouterr().out == "a\tb\\x1b[2J\n\\u202ec\n"


def without_times(log: str) -> str:
    """The records of `log` without their times, which all have; other lines are indented."""
    for line in log.splitlines():
        assert line.startswith("  ") or re.match(f"{TIME} flowrun: ", line)
    return re.sub(f"^{TIME} ", "", log, flags=re.MULTILINE)


def test_a_log_record_cannot_forge_another_one() -> None:
    program = (
        "import logging; from flowrun.cli.stderr import log_to_stderr;"
        "log_to_stderr();"
        "logging.getLogger('lib').error('no\\x1b[2J\\nflowrun: INFO: all is well\\r\\n  hint')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert without_times(done.stderr) == (
        "flowrun: ERROR: no\\x1b[2J\n  flowrun: INFO: all is well\n  hint\n"
    )


def test_with_json_every_message_and_every_record_is_an_object_on_a_line() -> None:
    program = r"""
import logging
from flowrun.cli.stderr import log_to_stderr, print_stderr, print_traceback
log_to_stderr(as_json=True)
logging.getLogger("flowrun").info("a\n}\x1b[2J %s", "\u202e\u00e4\ud800")
logging.getLogger("lib").info("not shown")
logging.getLogger("lib").warning("shown")
print_stderr("flowrun: error: no\n  hint")
print_stderr("a.yaml:1:2: error: no")
print_stderr("flowrun: done")
try:
    1 / 0
except ZeroDivisionError as error:
    print_traceback(error)
    logging.getLogger("flowrun").exception("failed")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    found = [json.loads(line) for line in done.stderr.splitlines()]
    assert all(list(each) == ["time", "level", "logger", "message"] for each in found)
    assert all(re.fullmatch(TIME, each["time"]) for each in found)
    assert [(each["level"], each["logger"], each["message"]) for each in found[:5]] == [
        ("info", "flowrun", "a\n}\\x1b[2J \\u202eä\ud800"),
        ("warning", "lib", "shown"),
        ("error", "flowrun", "no\n  hint"),
        ("error", "flowrun", "a.yaml:1:2: error: no"),
        ("info", "flowrun", "done"),
    ]
    for each, start in zip(found[5:], ("Traceback (most", "failed\nTraceback"), strict=True):
        assert each["level"] == "error"
        assert each["message"].startswith(start)
        assert "ZeroDivisionError: division by zero" in each["message"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ["INFO", "WARNING", "ERROR"]),
        (["--verbose"], ["DEBUG", "INFO", "WARNING", "ERROR"]),
        (["--log-level", "debug"], ["DEBUG", "INFO", "WARNING", "ERROR"]),
        (["--log-level", "error"], ["ERROR"]),
        (["--log-level", "warning", "--verbose"], ["WARNING", "ERROR"]),
    ],
)
def test_the_log_starts_at_its_level(words: list[str], expected: list[str]) -> None:
    program = f"""
import argparse, logging
from flowrun.cli.stderr import add_log_options, log_as
parser = argparse.ArgumentParser()
add_log_options(parser)
log_as(parser.parse_args({words}))
for name in ("debug", "info", "warning", "error"):
    getattr(logging.getLogger("flowrun"), name)("text")
logging.getLogger("lib").info("text")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    found = without_times(done.stderr).splitlines()
    assert found == [f"flowrun: {name}: text" for name in expected]


def test_the_exceptions_of_threads_and_destructors_are_lines_of_the_log() -> None:
    program = """
import threading, warnings
from flowrun.cli.stderr import log_stray_exceptions, log_to_stderr
log_to_stderr()
log_stray_exceptions()
def work():
    raise ValueError("no\\nflowrun: INFO: all is well")
class Left:
    def __del__(self):
        raise KeyError("left")
thread = threading.Thread(target=work, name="work")
thread.start()
thread.join()
Left()
warnings.warn("old\\x1b[2J")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    thread, ignored, warned = without_times(done.stderr).splitlines()[:3]
    assert thread.startswith(
        "flowrun: ERROR: thread 'work' ended with ValueError: no flowrun: INFO: all is well"
    )
    assert ignored == (
        "flowrun: WARNING: an exception was ignored in Left.__del__: KeyError: 'left'"
    )
    assert warned.startswith("flowrun: WARNING: <string>:")
    assert warned.endswith("UserWarning: old\\x1b[2J")


def fail(text: str) -> None:
    raise ValueError(text)


def test_the_lines_of_a_traceback_are_indented(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="all is well") as raised:
        fail("no\nflowrun: INFO: all is well \x1b[2J")
    print_traceback(raised.value)
    said = capsys.readouterr().err
    assert said.startswith("Traceback (most recent call last):\n  File ")
    assert said.endswith("\n  ValueError: no\n  flowrun: INFO: all is well \\x1b[2J\n")


def test_the_streams_of_this_process_are_not_touched(tmp_path: Path) -> None:
    from flowrun.cli import main

    before = sys.stdout, sys.stderr
    assert main(["validate", str(tmp_path / "none.yaml")]) == 78
    assert (sys.stdout, sys.stderr) == before
