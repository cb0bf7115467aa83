"""`flowrun test` with real processes."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

CAMERA = """
version: 1
source: rtsp://camera.example/door
transport: {mode: unary, address: server.example:9000, model: identity}
postprocess: [marking:mark]
sink: rtsp://out.example/door
"""
TEST = """
extends: camera.yaml
source: test:64x48@10
transport: {address: embedded}
sink: recordings/door.mp4
limits: {frames: 15}
"""
HOOKS = """
def mark(frame, result):
    image = frame.image.copy()
    image[:8, :8] = 255
    return frame.with_image(image).attach(number=frame.index)
def late(frame, result):
    if frame.index == 12:
        image = frame.image.copy()
        image[:8, :8] = 0
        frame = frame.with_image(image)
    return frame
def broken(frame, result):
    print("what the hook printed")
    raise ValueError("no")
"""


@pytest.fixture
def tests(tmp_path: Path) -> Path:
    """A directory with a flow, without tests."""
    (tmp_path / "marking.py").write_text(HOOKS)
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows/camera.yaml").write_text(CAMERA)
    return tmp_path / "flows"


def files(folder: Path) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


def test_each_test_has_a_line_and_the_command_fails_with_one_of_them(
    tests: Path, flowrun: Any, tmp_path: Path
) -> None:
    (tests / "kept.test.yaml").write_text(TEST + "expect: {delivered: 100%}\n")
    (tests / "broken.test.yaml").write_text(TEST + "postprocess: [marking:broken]\n")
    before = files(tmp_path)
    done = flowrun("test", "flows", "--format", "junit", "-j", "2")
    assert done.returncode == 1
    broken, kept = Xml.fromstring(done.stdout).iter("testcase")
    assert [each.tag for each in broken] == ["error", "system-out"]
    assert list(kept) == []
    lines = [line for line in done.stderr.splitlines() if not line.startswith("  ")]
    assert [line.split()[0] for line in lines] == ["FAIL", "ok", "2"]
    assert "marking:broken raised ValueError: no" in lines[0]
    assert "      | what the hook printed" in done.stderr
    assert files(tmp_path) == before


@pytest.mark.slow
def test_a_changed_hook_shows_in_the_golden_pictures_and_only_there(
    tests: Path, flowrun: Any, tmp_path: Path
) -> None:
    test = tests / "door.test.yaml"
    golden = "golden: {folder: golden, every: 4}\n"
    test.write_text(TEST + golden)
    updated = flowrun("test", "flows", "--update")
    assert (updated.returncode, updated.stderr) == (0, "")
    assert "golden updated: 4 pictures and the lines" in updated.stdout
    test.write_text(TEST + golden + "postprocess: [marking:mark, marking:late]\n")
    done = flowrun("test", "flows")
    assert done.returncode == 1
    beside = Path("golden", "000012.actual.png")
    differences = [line for line in done.stdout.splitlines() if "PSNR" in line]
    assert len(differences) == 1
    assert differences[0].startswith(f"FAIL  {Path('flows/door.test.yaml')}")
    assert differences[0].endswith(f" dB, expected at least 45 dB: {beside}")
    assert (tmp_path / beside).is_file()


def test_without_a_test_the_command_is_misused(tests: Path, flowrun_here: Any) -> None:
    done = flowrun_here("test", tests)
    assert done.returncode == 2
    assert "there is no test in" in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-j", "0"), "-j: 0 is too small"),
        (("--timeout", "soon"), "--timeout: 'soon' is not a duration"),
        (("--env-file", "none.env"), "none.env"),
    ],
)
def test_an_invalid_option_is_a_usage_error(
    tests: Path, flowrun_here: Any, words: tuple[str, ...], message: str
) -> None:
    done = flowrun_here("test", tests, *words)
    assert done.returncode == 2
    assert message in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)]
)
def test_a_signal_ends_all_tests(tests: Path, started: Any, number: int) -> None:
    (tests / "a.test.yaml").write_text(TEST)
    endless = TEST.replace("15", "100000000").replace("recordings/door.mp4", "'null'")
    (tests / "b.test.yaml").write_text(endless)
    running = started("test", "flows", "-j", "1")
    assert running.stdout.readline().startswith("ok  ")
    running.send_signal(number)
    running.send_signal(signal.SIGTERM)  # changes nothing: the tests are ended
    _, error = running.communicate(timeout=20.0)
    assert running.returncode == 128 + number
    assert "interrupted: 1 of 2 tests have ended" in error
    assert "Traceback" not in error
