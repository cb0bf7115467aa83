"""A user's package outside this repository: its hooks, its tests and its flow."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "people_counter"
LIMIT = 60  # seconds; a guard against hanging
FRAMES, WIDTH = 300, 128


@pytest.fixture
def example(tmp_path: Path) -> Path:
    folder = tmp_path / "people"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    return folder


def python(folder: Path, *words: str | Path, **environ: str) -> str:
    """What `python -m …` prints in `folder`, which must end well."""
    done = subprocess.run(
        [sys.executable, "-m", *map(str, words)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
        env={**os.environ, **environ},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def check(folder: Path) -> None:
    """What the flow has written there. An edge walks through the pattern, one pixel per frame, and
    the middle half of it is looked at."""
    lines = [json.loads(line) for line in (folder / "people.jsonl").read_text().splitlines()]
    assert len(lines) == FRAMES
    here = [WIDTH // 4 < n % WIDTH < 3 * WIDTH // 4 for n in range(FRAMES)]
    for line in lines:
        data = line["data"]
        assert line["fate"] == "delivered"
        assert data["people"] == len(data["detections"]) == here[line["index"]]
        for found in data["detections"]:
            x0, y0, x1, y1 = found["box"]
            assert (x0 + x1) / 2 == pytest.approx(line["index"] % WIDTH, abs=0.01)
            assert (y0, y1) == pytest.approx((0.2 * 96, 0.9 * 96), abs=0.01)
            assert (found["label"], found["class_id"]) == ("person", 1)
    entered = [n for n in range(FRAMES) if here[n] and not here[n - 1]]
    assert lines[-1]["data"]["entered"] == len(entered) == 3
    journal = (folder / "entered.txt").read_text().split()
    assert journal == [f"{n / 30:.3f}" for n in entered]


@pytest.mark.slow
def test_the_tests_of_the_package_pass(example: Path) -> None:
    assert "5 passed" in python(example, "pytest", "-q", "-p", "no:cacheprovider")


def test_the_test_of_its_flow_passes(example: Path) -> None:
    assert "1 test: 1 passed" in python(example, "flowrun", "test", ".")


@pytest.mark.slow
def test_its_hooks_are_found_from_its_folder(example: Path) -> None:
    python(example, "flowrun", "validate", "people.yaml", "--imports")
    summary = json.loads(python(example, "flowrun", "people.yaml", "--summary", "-"))
    check(example)
    assert [(each["hook"], each["name"]) for each in summary["hooks"]] == [
        ("preprocess[0]", "people_counter:Zone"),
        ("postprocess[0]", "flowrun.hooks.decode_ssd:decode_ssd"),
        ("postprocess[1]", "people_counter:PeopleCounter"),
    ]
    assert all(each["share"] is not None for each in summary["hooks"])


@pytest.mark.slow
def test_its_hooks_are_found_anywhere_once_python_finds_the_package(
    example: Path, tmp_path: Path
) -> None:
    path = os.pathsep.join([str(example), os.environ.get("PYTHONPATH", "")])
    python(tmp_path, "flowrun", example / "people.yaml", PYTHONPATH=path)
    check(tmp_path)


def test_hooks_and_model_are_found_beside_the_flow(example: Path, tmp_path: Path) -> None:
    python(tmp_path, "flowrun", example / "people.yaml", "--limit-frames", "5")
    assert len((tmp_path / "people.jsonl").read_text().splitlines()) == 5
