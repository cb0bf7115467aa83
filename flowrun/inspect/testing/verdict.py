"""Judge a test by its exit code, its summary and its golden files."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from flowrun.inspect.testing import golden
from flowrun.inspect.testing.processes import Ended
from flowrun.ledger.losses import EXIT_CODE as LOST
from flowrun.spec.expectations import FRAMES
from flowrun.spec.flow import GoldenSpec

SUMMARY, GOLDEN, ACTUAL = "summary.json", "golden.json", "golden"  # in the folder of a test
_SHOWN = 5  # differences
_INVALID = 78

Outcome = Literal["passed", "failed", "error"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of the test `path`: passed, failed (an expectation, a lost frame or a golden
    file) or an error, the reasons, and what the process printed."""

    path: Path
    outcome: Outcome
    seconds: float
    reasons: tuple[str, ...] = ()
    output: str = ""
    note: str = ""


def save_spec(folder: Path, spec: GoldenSpec) -> None:
    """Write what `judge` reads about the golden files of a test."""
    (folder / GOLDEN).write_text(json.dumps(asdict(spec)), encoding="utf-8")


Updated = dict[str, Path]  # golden folders that were updated -> the test that did


def judge(
    path: Path, folder: Path, ended: Ended, *, timeout: float, updated: Updated | None = None
) -> Verdict:
    """The verdict on a test that has `ended` and has written to `folder`. With `updated` its golden
    files are replaced, unless those of another test have been, in the same folder."""
    outcome, reasons, note = _judged(path, folder, ended, timeout=timeout, updated=updated)
    return Verdict(path, outcome, ended.seconds, tuple(reasons), ended.output, note)


def _judged(
    path: Path, folder: Path, ended: Ended, *, timeout: float, updated: Updated | None
) -> tuple[Outcome, Sequence[str], str]:
    """The outcome, the reasons and a note."""
    if ended.code is None:
        return "error", [f"it did not end within {timeout:g} s"], ""
    summary = _summary(folder)
    if ended.code == LOST and summary is not None and not _is_kept(summary):
        return "failed", [str(summary["error"])], ""
    if ended.code not in (0, LOST) or summary is None:
        return "error", [_error(ended, summary)], ""
    if not (folder / GOLDEN).is_file():
        return "passed", [], ""
    return _golden(path, folder, updated)


def _golden(
    path: Path, folder: Path, updated: Updated | None
) -> tuple[Outcome, Sequence[str], str]:
    """Compare the golden files, or replace them."""
    spec = GoldenSpec(**json.loads((folder / GOLDEN).read_text(encoding="utf-8")))
    try:
        if updated is None:
            return _compared(spec, folder / ACTUAL)
        return _updated(path, spec, folder / ACTUAL, updated)
    except OSError as error:
        return "error", [f"{error.filename or spec.folder}: {error.strerror}"], ""


def _updated(
    path: Path, spec: GoldenSpec, actual: Path, updated: Updated
) -> tuple[Outcome, Sequence[str], str]:
    owner = updated.setdefault(os.path.realpath(spec.folder), path)
    if owner != path:
        return "error", [f"golden: {spec.folder} is the folder of {owner}, name another one"], ""
    files = golden.update(Path(spec.folder), actual)
    return "passed", [], f"{spec.folder} updated: {files}"


def _compared(spec: GoldenSpec, actual: Path) -> tuple[Outcome, Sequence[str], str]:
    found = golden.differences(spec, actual)
    if len(found) > _SHOWN:
        found = [*found[:_SHOWN], f"{len(found) - _SHOWN} further differences"]
    return ("failed" if found else "passed"), found, ""


def _is_kept(summary: Mapping[str, Any]) -> bool:
    """Whether all expectations of a run with lost frames hold, and one of them is about fates: then
    the losses are what the test expects."""
    expected = summary["expect"]
    return all(each["holds"] for each in expected) and any(
        each["key"] in FRAMES for each in expected
    )


def _summary(folder: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads((folder / SUMMARY).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def _error(ended: Ended, summary: Mapping[str, Any] | None) -> str:
    if summary is not None and summary["error"]:
        return str(summary["error"])
    if ended.code == _INVALID:
        lines = ended.output.splitlines()
        return next((line for line in lines if ": error: " in line), "the flow is invalid")
    if ended.code is not None and ended.code < 0:
        return f"its process was ended by signal {-ended.code}"
    last = ended.output.strip().rpartition("\n")[2]
    is_reason = last and " flowrun: INFO: " not in last
    return f"its process ended with {ended.code}" + (f": {last}" if is_reason else "")
