"""A whole run on a terminal, as its user sees it."""

from __future__ import annotations

import json
import os
import re
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="makes POSIX terminals")

LIMIT = 60.0  # seconds, a guard against hanging
REALTIME = "{uri: 'test:64x48@30', pace: realtime}"


class Terminal:
    """What a run writes to a terminal `columns` wide, which has colors; `stdout` is a pipe."""

    def __init__(
        self, folder: Path, *words: str | Path, columns: int = 100, **environ: str
    ) -> None:
        import fcntl
        import pty
        import termios

        self._open = True
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "flowrun", *map(str, words)],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm", "NO_COLOR": "", **environ},
            text=True,
        )
        os.close(theirs)
        self.text = ""

    def until(self, pattern: str) -> None:
        """Read until something like that has been written."""
        while not re.search(pattern, self.text):
            read = self._read()
            assert read, self.text
            self.text += read

    def end(self) -> str:
        """Wait for the end; what stands on stdout."""
        said, _ = self.process.communicate(timeout=LIMIT)
        while read := self._read():
            self.text += read
        return str(said)

    def left(self) -> list[str]:
        """The lines that stand there in the end."""
        return [line.rpartition("\r")[2] for line in self.text.replace("\r\n", "\n").split("\n")]

    def hang_up(self) -> None:
        """Close the window."""
        os.close(self._ours)
        self._open = False

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        if self._open:
            os.close(self._ours)

    def _read(self) -> str:
        try:
            return os.read(self._ours, 4096).decode()
        except OSError:  # on Linux: the other side is closed
            return ""


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    made: list[Terminal] = []

    def terminal(*words: str | Path, **options: Any) -> Terminal:
        made.append(Terminal(tmp_path, *words, **options))
        return made[-1]

    yield terminal
    for each in made:
        each.close()


def test_a_run_of_known_length_has_a_bar_and_stdout_only_the_summary(
    flow: Any, terminal: Callable[..., Terminal]
) -> None:
    run = terminal(flow(source=REALTIME, limits="{frames: 30}"), "--summary", "-")
    run.until(r"\r *\d+%\|.*\| 0:0[01] left, \d+ frames, ")
    assert json.loads(run.end())["captured"] == 30
    _, counts, times, bottleneck, nothing = run.left()
    assert counts == "flow: captured 30 = delivered 30 + dropped 0 + failed 0 + aborted 0"
    assert re.fullmatch(r"  \d+\.\d s, .*", times)
    assert bottleneck.startswith("  bottleneck: ")
    assert nothing == ""


LINES = {
    40: r"\d+%, \d:\d\d left, \d+ frames, \d+\.\d fps",
    60: r"\d+%, \d:\d\d left, \d+ frames, \d+\.\d fps, \d+ ms, \d+ in flight",
    80: r" +\d+%\|.{5,}\| \d:\d\d left, \d+ frames, \d+\.\d fps, \d+ ms, \d+ in flight",
    200: r" +\d+%\|.{99,}\| \d:\d\d left, \d+ frames, \d+\.\d fps, \d+ ms, \d+ in flight",
}


@pytest.mark.parametrize(
    "columns", [80, *(pytest.param(each, marks=pytest.mark.slow) for each in (40, 60, 200))]
)
def test_the_progress_line_fits_the_terminal_and_ends_with_a_whole_number(
    flow: Any, terminal: Callable[..., Terminal], columns: int
) -> None:
    run = terminal(flow(source=REALTIME, limits="{frames: 60}"), columns=columns)
    run.until(rf"\r{LINES[columns]} *\r")
    run.end()
    assert "it/s" not in run.text
    drawn = [each for each in re.split(r"[\r\n]+", run.text) if re.match(r" *\d+%", each)]
    assert drawn
    assert max(map(len, drawn)) <= columns - 3
    whole = r"( *\d+%(\|.+\||,)) \d:\d\d left(, [\d.]+ (frames|fps|ms|in flight))+ *"
    assert [each for each in drawn if not re.fullmatch(whole, each)] == []


def test_errors_and_the_caret_have_colors_unless_the_user_wants_none(
    flow: Any, terminal: Callable[..., Terminal]
) -> None:
    path = flow(limits="{frames: many}")
    plain = None
    for environ in ({"NO_COLOR": "1"}, {"TERM": "dumb"}, {}):
        run = terminal(path, **environ)
        run.end()
        assert ("\x1b" in run.text) == (not environ)
        text = re.sub(r"\x1b\[\d*m", "", run.text)
        plain = plain or text
        assert text == plain
    assert "\x1b[31merror\x1b[0m: `limits.frames` is 'many'" in run.text
    assert re.search(r"\n +\x1b\[32m\^\x1b\[0m\r\n", run.text)


@pytest.mark.slow
def test_a_run_that_waits_says_so_in_color(flow: Any, terminal: Callable[..., Terminal]) -> None:
    run = terminal(flow(source="{uri: 'rtsp://127.0.0.1:1/none', startup: wait}"), columns=60)
    run.until(r"\r\x1b\[33mwaiting for source: [^\r]*\x1b\[0m")
    run.process.send_signal(signal.SIGINT)
    run.end()


def test_a_terminal_that_is_closed_costs_only_what_is_printed(
    flow: Any, terminal: Callable[..., Terminal], probe: Any, tmp_path: Path
) -> None:
    run = terminal(flow(source=REALTIME, sink="out.mp4", limits=None), "--summary", "summary.json")
    run.until(r"\r0:0\d, \d+ frames, ")
    run.hang_up()
    run.process.send_signal(signal.SIGHUP)
    run.process.communicate(timeout=LIMIT)
    assert run.process.returncode == 129
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert len(probe(tmp_path / "out.mp4").times) == summary["delivered"] > 0


def test_a_signal_removes_the_progress_line_and_leaves_whole_lines(
    flow: Any, terminal: Callable[..., Terminal]
) -> None:
    run = terminal(flow(source=REALTIME, limits=None))
    run.until(r"\r0:0\d, \d+ frames, ")
    run.process.send_signal(signal.SIGINT)
    run.end()
    assert run.process.returncode == 130
    _, stopping, counts, times, bottleneck, nothing = run.left()
    assert stopping == (
        "flowrun: INFO: stopping: frames in flight are finished first; a second signal aborts"
    )
    assert counts.startswith("flow: captured ")
    assert re.fullmatch(r"  \d+\.\d s, .*", times)
    assert bottleneck.startswith("  bottleneck: ")
    assert nothing == ""
