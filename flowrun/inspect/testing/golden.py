"""Compare the pictures and lines of a run with the golden ones, or replace those."""

from __future__ import annotations

import json
import math
import operator
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from flowrun.frame import Image
from flowrun.image.png import read_png
from flowrun.inspect.testing.line_differences import line_difference
from flowrun.inspect.testing.recorder import LINES
from flowrun.spec.flow import GoldenSpec

_ACTUAL_LINES = "lines.actual.jsonl"
_PICTURE = re.compile(r"\d{6,}\.png")
_ACTUAL = re.compile(r"\d{6,}\.actual\.png|lines\.actual\.jsonl")


def update(golden: Path, actual: Path) -> str:
    """Make the files of `actual` those of `golden`; returns how many there are. Other files in the
    folder stay. Raises `OSError`."""
    golden.mkdir(parents=True, exist_ok=True)
    for file in _matching(golden, _PICTURE, _ACTUAL):
        file.unlink()
    files = [*_matching(actual, _PICTURE), actual / LINES]
    for file in files:
        shutil.copyfile(file, golden / file.name)
    count = len(files) - 1
    return f"{count} picture{'' if count == 1 else 's'} and the lines"


def differences(spec: GoldenSpec, actual: Path) -> list[str]:
    """What differs between the golden files and those in `actual`, a sentence each, by frame.

    The pictures and the lines that differ are copied beside the golden ones, if those can be
    written, as `000020.actual.png` and `lines.actual.jsonl`; those of earlier runs are removed.
    Raises `OSError`.
    """
    golden = Path(spec.folder)
    if not (golden / LINES).is_file():
        where = golden if golden.is_absolute() else f"{golden} in {Path.cwd()}"
        return [f"{where} has no golden files; `flowrun test --update` makes them"]
    for file in _matching(golden, _ACTUAL):
        file.unlink()
    found = [*_different_pictures(spec, golden, actual), *_different_lines(spec, golden, actual)]
    return [text for _, text in sorted(found, key=lambda each: each[0])]


def _different_pictures(spec: GoldenSpec, golden: Path, actual: Path) -> Iterator[tuple[int, str]]:
    names = {file.name for folder in (golden, actual) for file in _matching(folder, _PICTURE)}
    for name in sorted(names):
        index, new = int(Path(name).stem), actual / name
        try:
            expected = read_png(golden / name) if (golden / name).exists() else None
        except ValueError as error:
            yield index, f"frame {index}: {golden / name} cannot be read: {error}"
            continue
        found = read_png(new) if new.exists() else None
        text = _picture_difference(spec, expected, found)
        if text:
            beside = golden / f"{Path(name).stem}.actual.png"
            shown = "" if found is None else _copied(new, beside)
            yield index, f"frame {index}: {text}{shown}"


def _copied(new: Path, beside: Path) -> str:
    """Copy what differs beside its golden file; the end of the sentence about the difference."""
    try:
        shutil.copyfile(new, beside)
    except OSError as error:  # a folder that is read-only in CI
        return f" ({beside} cannot be written: {error.strerror})"
    return f": {beside}"


def _picture_difference(
    spec: GoldenSpec, expected: Image | None, found: Image | None
) -> str | None:
    if found is None:
        return "there is no picture any more"
    if expected is None:
        return "there is no golden picture"
    if expected.shape != found.shape:
        sizes = [f"{image.shape[1]}x{image.shape[0]}" for image in (found, expected)]
        return f"the picture has {sizes[0]} pixels, expected {sizes[1]}"
    psnr = psnr_of(expected, found)
    if spec.exact and psnr < math.inf:
        return f"the picture differs, PSNR {psnr:.1f} dB, expected the same pixels"
    if psnr < spec.psnr:
        return f"the picture differs, PSNR {psnr:.1f} dB, expected at least {spec.psnr:g} dB"
    return None


def psnr_of(one: Image, other: Image) -> float:
    """The peak signal-to-noise ratio of two pictures of one size, in dB; infinite if they are
    equal."""
    error = float(np.mean(np.square(one.astype(np.int32) - other.astype(np.int32))))
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def _different_lines(spec: GoldenSpec, golden: Path, actual: Path) -> Iterator[tuple[int, str]]:
    try:
        expected = _read_lines(golden / LINES)
    except (ValueError, KeyError, TypeError):
        yield 0, f"{golden / LINES} cannot be read"
        return
    found, different = _read_lines(actual / LINES), False
    for index in sorted({*expected, *found}):
        text = line_difference(expected.get(index), found.get(index), exact=spec.exact)
        if text:
            different = True
            yield index, f"frame {index}: {text}"
    if different:
        _copied(actual / LINES, golden / _ACTUAL_LINES)


def _read_lines(path: Path) -> dict[int, dict[str, Any]]:
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {operator.index(line["index"]): line for line in lines}


def _matching(folder: Path, *patterns: re.Pattern[str]) -> list[Path]:
    return [
        file
        for file in sorted(folder.iterdir())
        if any(pattern.fullmatch(file.name) for pattern in patterns)
    ]
