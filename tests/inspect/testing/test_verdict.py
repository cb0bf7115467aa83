"""The verdict on a test, and its report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from flowrun.inspect.testing.processes import Ended
from flowrun.inspect.testing.recorder import LINES
from flowrun.inspect.testing.report import junit, text_of, total
from flowrun.inspect.testing.verdict import (
    ACTUAL,
    SUMMARY,
    Updated,
    Verdict,
    judge,
    save_spec,
)
from flowrun.spec.flow import GoldenSpec

HELD = {"key": "attached.n", "holds": True}
LOSS = {"key": "failed.transport", "holds": True}
BROKEN = {"key": "delivered", "holds": False}


def verdict(folder: Path, code: int | None, output: str = "", **summary: Any) -> Verdict:
    if summary:
        (folder / SUMMARY).write_text(json.dumps(summary))
    ended = Ended(code, 1.25, output)
    return judge(Path("t/door.test.yaml"), folder, ended, timeout=60.0)


@pytest.mark.parametrize(
    ("code", "error", "expect", "outcome"),
    [
        (0, None, [HELD], "passed"),
        (3, "1 of 1 expectations broken", [BROKEN], "failed"),
        (3, "2 of 9 frames lost", [], "failed"),
        (3, "2 of 9 frames lost", [HELD], "failed"),
        (3, "2 of 9 frames lost", [HELD, LOSS], "passed"),
        (3, "2 of 9 frames lost; broken", [LOSS, BROKEN], "failed"),
        (1, "a hook raised", [HELD], "error"),
    ],
)
def test_lost_frames_fail_a_test_unless_they_are_expected(
    tmp_path: Path, code: int, error: str | None, expect: list[Any], outcome: str
) -> None:
    found = verdict(tmp_path, code, error=error, expect=expect)
    assert found.outcome == outcome
    assert found.reasons == (() if outcome == "passed" else (error,))


@pytest.mark.parametrize(
    ("code", "output", "reason"),
    [
        (None, "", "it did not end within 60 s"),
        (-9, "", "its process was ended by signal 9"),
        (78, "a\nt.yaml:1:1: error: no key\n b", "t.yaml:1:1: error: no key"),
        (70, "x\nthe last line\n", "its process ended with 70: the last line"),
        (0, "", "its process ended with 0"),
        (5, "2030-01-01 flowrun: INFO: started\n", "its process ended with 5"),
    ],
)
def test_a_test_without_a_summary_is_an_error(
    tmp_path: Path, code: int | None, output: str, reason: str
) -> None:
    found = verdict(tmp_path, code, output)
    assert (found.outcome, found.reasons) == ("error", (reason,))


def test_an_update_does_not_replace_the_golden_files_of_another_test(folder: Path) -> None:
    updated: Updated = {}

    def update(name: str, golden: str) -> Verdict:
        own = folder / name
        (own / ACTUAL).mkdir(parents=True)
        (own / ACTUAL / LINES).write_text(name)
        (own / SUMMARY).write_text("{}")
        save_spec(own, GoldenSpec(golden))
        ended = Ended(0, 1.0, "")
        return judge(Path(f"{name}.test.yaml"), own, ended, timeout=60.0, updated=updated)

    assert update("first", "golden/a").note == "golden/a updated: 0 pictures and the lines"
    refused = update("second", "./golden/../golden/a")
    assert (refused.outcome, refused.reasons) == (
        "error",
        ("golden: ./golden/../golden/a is the folder of first.test.yaml, name another one",),
    )
    assert update("third", "golden/b").outcome == "passed"
    assert Path("golden/a", LINES).read_text() == "first"


PASSED = Verdict(Path("t/a.test.yaml"), "passed", 1.0, note="golden/a updated")
FAILED = Verdict(Path("t/b.test.yaml"), "failed", 2.0, ("one", "two"), "x\x1b[1m\nend\n")
ERROR = Verdict(Path("t/c.test.yaml"), "error", 3.0, ("no",), "".join(f"{n}\n" for n in range(99)))


def test_the_output_of_a_test_is_shown_if_it_has_not_passed() -> None:
    assert text_of(PASSED) == f"ok    {PASSED.path} (1.0 s): golden/a updated"
    assert text_of(FAILED).splitlines() == [
        f"FAIL  {FAILED.path} (2.0 s): one",
        "      two",
        "      | x\\x1b[1m",
        "      | end",
    ]
    broken = replace(PASSED, path=Path("t/a\nb.test.yaml"), note="")
    assert text_of(broken) == f"ok    {Path('t/a b.test.yaml')} (1.0 s)"
    assert "(39 lines omitted)\n      | 39\n" in text_of(ERROR)
    assert total([PASSED, FAILED, ERROR], 4.0) == "3 tests: 1 passed, 2 failed (4.0 s)"


def test_junit_distinguishes_failures_from_errors() -> None:
    (suite,) = Xml.fromstring(junit([PASSED, FAILED, ERROR], 4.0))
    assert [suite.get(key) for key in ("tests", "failures", "errors")] == ["3", "1", "1"]
    assert [case.get("name") for case in suite] == ["a", "b", "c"]
    assert [[part.tag for part in case] for case in suite] == [
        [],
        ["failure", "system-out"],
        ["error", "system-out"],
    ]
    assert suite[1][0].get("message") == "one"
