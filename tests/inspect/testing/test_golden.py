"""Golden files: what is recorded, compared and replaced."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowrun.errors import RunError
from flowrun.frame import Frame
from flowrun.inspect.testing import golden
from flowrun.inspect.testing.line_differences import line_difference
from flowrun.inspect.testing.recorder import GoldenRecorder
from flowrun.spec.flow import GoldenSpec

GOLDEN = "golden/door"
ACTUAL = "0"


def record(fake_run: Any, *, changed: int | None = None, by: int = 100, people: int = 1) -> Path:
    """Record six frames; the picture of frame `changed` differs in 16 pixels."""
    run, folder = fake_run(), Path(ACTUAL)
    folder.mkdir(exist_ok=True)
    recorder = GoldenRecorder(run.status, folder=folder, every=2)
    for index in range(6):
        image = np.full((48, 64, 3), 10 * index, np.uint8)
        if index == changed:
            image[:4, :4] += by
        frame = Frame(image, index, index / 10, 0.1, run.now).attach(people=people, score=0.5)
        run.ledger.captured(frame)
        recorder.show(frame)
        run.ledger.delivered(frame)
    recorder.save()
    return folder


def test_the_recorded_pictures_and_lines_are_those_of_the_next_run(
    folder: Path, fake_run: Any
) -> None:
    assert golden.update(Path(GOLDEN), record(fake_run)) == "3 pictures and the lines"
    names = ["000000.png", "000002.png", "000004.png", "lines.jsonl"]
    assert sorted(file.name for file in Path(GOLDEN).iterdir()) == names
    line = json.loads(Path(GOLDEN, "lines.jsonl").read_text().splitlines()[3])
    assert line == {
        "index": 3,
        "time": 0.3,
        "fate": "delivered",
        "cause": None,
        "data": {"people": 1, "score": 0.5},
    }
    assert golden.differences(GoldenSpec(GOLDEN, exact=True), record(fake_run)) == []


def test_a_changed_picture_is_reported_with_its_frame_and_copied_beside_the_golden_one(
    folder: Path, fake_run: Any
) -> None:
    golden.update(Path(GOLDEN), record(fake_run))
    beside = Path(GOLDEN, "000002.actual.png")
    found = golden.differences(GoldenSpec(GOLDEN), record(fake_run, changed=2))
    assert found == [
        f"frame 2: the picture differs, PSNR 31.0 dB, expected at least 45 dB: {beside}"
    ]
    assert beside.read_bytes() == Path(ACTUAL, "000002.png").read_bytes()
    assert golden.differences(GoldenSpec(GOLDEN), record(fake_run)) == []
    assert not beside.exists()


def test_a_difference_is_reported_even_if_it_cannot_be_copied(
    folder: Path, fake_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    golden.update(Path(GOLDEN), record(fake_run))
    actual = record(fake_run, changed=2, people=2)

    def copyfile(*_: Path) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(shutil, "copyfile", copyfile)
    found = golden.differences(GoldenSpec(GOLDEN), actual)
    beside = Path(GOLDEN, "000002.actual.png")
    (picture,) = (text for text in found if "PSNR" in text)
    assert picture.startswith("frame 2: the picture differs, PSNR")
    assert picture.endswith(f" ({beside} cannot be written: Read-only file system)")
    assert "frame 0: data.people is 2, expected 1" in found


def test_exact_tolerates_no_difference_of_a_pixel(folder: Path, fake_run: Any) -> None:
    golden.update(Path(GOLDEN), record(fake_run))
    actual = record(fake_run, changed=4, by=1)
    assert golden.differences(GoldenSpec(GOLDEN), actual) == []
    (found,) = golden.differences(GoldenSpec(GOLDEN, exact=True), actual)
    assert "frame 4: the picture differs, PSNR 71.0 dB, expected the same pixels" in found


def test_changed_lines_are_reported_and_copied(folder: Path, fake_run: Any) -> None:
    golden.update(Path(GOLDEN), record(fake_run))
    found = golden.differences(GoldenSpec(GOLDEN), record(fake_run, people=2))
    assert found == [f"frame {index}: data.people is 2, expected 1" for index in range(6)]
    assert '"people": 2' in Path(GOLDEN, "lines.actual.jsonl").read_text()


def test_missing_and_further_pictures_are_reported(folder: Path, fake_run: Any) -> None:
    golden.update(Path(GOLDEN), record(fake_run))
    Path(GOLDEN, "000000.png").unlink()
    actual = record(fake_run)
    (actual / "000004.png").unlink()
    assert golden.differences(GoldenSpec(GOLDEN), actual) == [
        f"frame 0: there is no golden picture: {Path(GOLDEN, '000000.actual.png')}",
        "frame 4: there is no picture any more",
    ]


def test_without_golden_files_the_command_that_makes_them_is_named(
    folder: Path, fake_run: Any
) -> None:
    (found,) = golden.differences(GoldenSpec(GOLDEN), record(fake_run))
    hint = "`flowrun test --update` makes them"
    assert found == f"{GOLDEN} in {folder} has no golden files; {hint}"


@pytest.mark.parametrize("text", ["{", "{}", "[1]", '{"index": "x"}', '{"index": null}', "\xff"])
def test_a_damaged_golden_file_is_reported(folder: Path, fake_run: Any, text: str) -> None:
    golden.update(Path(GOLDEN), record(fake_run))
    Path(GOLDEN, "000000.png").write_bytes(b"no picture")
    Path(GOLDEN, "lines.jsonl").write_text(text, encoding="latin-1")
    found = golden.differences(GoldenSpec(GOLDEN), record(fake_run))
    assert [text.partition("cannot be read")[1] for text in found] == ["cannot be read"] * 2


def test_an_update_leaves_other_files_of_the_folder(folder: Path, fake_run: Any) -> None:
    Path(GOLDEN).mkdir(parents=True)
    for name in ("README.md", "000001.png", "000000.actual.png"):
        Path(GOLDEN, name).touch()
    golden.update(Path(GOLDEN), record(fake_run))
    assert Path(GOLDEN, "README.md").exists()
    assert not Path(GOLDEN, "000001.png").exists()
    assert not Path(GOLDEN, "000000.actual.png").exists()


@pytest.mark.parametrize(
    ("expected", "found", "text"),
    [
        ({"a": 0.5}, {"a": 0.5004}, None),
        ({"a": 0.5}, {"a": 0.502}, "a is 0.502, expected 0.5"),
        ({"a": [640.0]}, {"a": [640.5]}, None),
        ({"a": 100}, {"a": 101}, "a is 101, expected 100"),
        ({"a": 12}, {"a": 12.0}, None),
        ({"a": True}, {"a": 1}, "a is 1, expected true"),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1]}}, "a.b has 1 items, expected 2"),
        ({"a": "x"}, {"a": None}, 'a is null, expected "x"'),
        ({"a": 1, "b": 2}, {"a": 1}, "b is missing"),
        ({}, {"a": 1}, "a was not expected"),
    ],
)
def test_values_are_compared_by_their_kind(expected: Any, found: Any, text: str | None) -> None:
    assert line_difference(expected, found, exact=False) == text


def test_exact_numbers_do_not_differ() -> None:
    assert line_difference({"a": 0.5}, {"a": 0.50001}, exact=True) == "a is 0.50001, expected 0.5"


def test_a_file_that_cannot_be_written_is_an_error_of_the_run(
    tmp_path: Path, fake_run: Any
) -> None:
    run = fake_run()
    recorder = GoldenRecorder(run.status, folder=tmp_path / "missing", every=0)
    with pytest.raises(RunError, match=r"golden: .*lines.jsonl cannot be written: No such file"):
        recorder.save()
