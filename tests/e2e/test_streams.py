"""Standard output and error that cannot be written cost what is printed, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="needs a shell and /dev/full"
)

LIMIT = 60  # seconds, a guard against hanging
HOOKS = """
import sys
def noisy(frame):
    print("x" * 20000, flush=True)
    print("y" * 20000, file=sys.stderr, flush=True)
    return frame
"""


def shell(folder: Path, words: str, redirected: str) -> tuple[int, str]:
    """Exit code and standard error of flowrun, whose streams are redirected by a shell."""
    command = f'"$PYTHON" -m flowrun {words} {redirected}'
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "redirected",
    [
        "<&- >&- 2>&-",
        *(
            pytest.param(each, marks=pytest.mark.slow)
            for each in (">/dev/full 2>/dev/full", "2>&-")
        ),
    ],
)
def test_a_run_without_streams_writes_its_summary(
    flow: Any, tmp_path: Path, redirected: str
) -> None:
    (tmp_path / "hooks.py").write_text(HOOKS)
    path = flow(preprocess="['hooks:noisy']")
    assert shell(tmp_path, f"{path} --summary summary.json", redirected) == (0, "")
    assert json.loads((tmp_path / "summary.json").read_text())["delivered"] == 20


@pytest.mark.parametrize(
    ("redirected", "reason"),
    [
        (">/dev/full", "No space left on device"),
        pytest.param(">&-", "it is closed", marks=pytest.mark.slow),
    ],
)
def test_a_summary_that_cannot_be_printed_is_an_error(
    flow: Any, tmp_path: Path, redirected: str, reason: str
) -> None:
    code, said = shell(tmp_path, f"{flow()} --summary -", redirected)
    assert code == 1
    assert said.endswith(
        f"flowrun: error: --summary -: standard output cannot be written: {reason}\n"
    )


@pytest.mark.slow
def test_other_commands_end_with_their_own_exit_code(flow: Any, tmp_path: Path) -> None:
    full = "flowrun: standard output cannot be written: No space left on device\n"
    path = flow()
    for words in (f"validate {path}", f"graph {path}", "--help"):
        assert shell(tmp_path, words, ">/dev/full") == (0, full)
    assert shell(tmp_path, f"validate {flow(version=2)}", ">&- 2>&-") == (78, "")
    assert shell(tmp_path, "--nothing", "2>/dev/full") == (2, "")


def test_a_run_does_not_wait_for_the_reader_of_its_log(flow: Any, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    for size in (4096, 1):
        with suppress(BlockingIOError):
            while os.write(writer, b"x" * size):
                pass
    os.set_blocking(writer, True)
    command = [sys.executable, "-m", "flowrun", str(flow()), "--summary", "summary.json"]
    done = subprocess.run(command, cwd=tmp_path, stderr=writer, timeout=LIMIT, check=False)
    os.close(reader)
    os.close(writer)
    assert done.returncode == 0
    assert json.loads((tmp_path / "summary.json").read_text())["delivered"] == 20


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_code_page_without_the_letters_costs_letters(
    flow: Any, flowrun: Any, encoding: str
) -> None:
    done = flowrun("graph", flow(), PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    assert (done.returncode, done.stderr) == (0, "")
    assert "?" in done.stdout


PRINTING = """
import io, os, sys
print("imported")
class Hook:
    def __init__(self):
        print("constructed")
    def __call__(self, frame):
        if frame.index == 0:
            os.write(1, b"written\\n")
            os.system("echo started")
            print("printed")
        return frame
    def close(self):
        print("closed")
    def __del__(self):
        print("destroyed")
def closing(frame):
    sys.stdout.close()
    sys.stderr.close()
    return frame
def replacing(frame):
    sys.stdout, sys.stderr = io.StringIO(), None
    return frame
"""


def test_what_hooks_print_is_on_standard_error(flow: Any, flowrun: Any, tmp_path: Path) -> None:
    (tmp_path / "hooks.py").write_text(PRINTING)
    path = flow(preprocess="['hooks:Hook']")
    done = flowrun(path, "--summary", "-")
    assert json.loads(done.stdout)["delivered"] == 20
    printed = ["imported", "constructed", "written", "started", "printed", "closed", "destroyed"]
    assert [line for line in done.stderr.splitlines() if line in printed] == printed
    done = flowrun(flow(preprocess="['hooks:Hook']", sink="'-'"))
    assert [json.loads(line)["index"] for line in done.stdout.splitlines()] == list(range(20))
    done = flowrun("validate", "--imports", "--format", "json", path)
    assert json.loads(done.stdout)["problems"] == []
    assert done.stderr == "imported\n"


@pytest.mark.parametrize("name", ["closing", pytest.param("replacing", marks=pytest.mark.slow)])
def test_a_hook_can_close_only_its_own_streams(
    flow: Any, flowrun: Any, tmp_path: Path, name: str
) -> None:
    (tmp_path / "hooks.py").write_text(PRINTING)
    done = flowrun(flow(preprocess=f"['hooks:{name}']"), "--summary", "-")
    assert json.loads(done.stdout)["delivered"] == 20
    assert "captured 20 = delivered 20" in done.stderr
    assert done.returncode == 0


def test_a_log_record_that_cannot_be_formatted_is_reported_on_one_line(
    flow: Any, flowrun: Any, tmp_path: Path
) -> None:
    (tmp_path / "hooks.py").write_text(
        "import logging\n"
        "def hook(frame):\n"
        "    if frame.index == 0:\n"
        "        logging.getLogger('lib').warning('%d', 'no')\n"
        "    return frame\n"
    )
    done = flowrun(flow(preprocess="['hooks:hook']"))
    assert done.returncode == 0
    [line] = [line for line in done.stderr.splitlines() if "record" in line]
    assert "flowrun: ERROR: a record of the log raised TypeError: %d format:" in line
    assert line.endswith("hooks.py:4)")
    assert "Traceback" not in done.stderr


def test_the_summary_is_written_where_the_run_was_started(
    flow: Any, flowrun: Any, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "hooks.py").write_text(
        "import os\ndef hook(frame):\n    os.chdir(os.environ['FOLDER'])\n    return frame\n"
    )
    path = flow(preprocess="['hooks:hook']")
    done = flowrun(path, "--summary", "summary.json", FOLDER=str(tmp_path / "elsewhere"))
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "summary.json").read_text())["delivered"] == 20
