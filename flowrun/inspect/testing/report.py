"""Report tests: a line each, or JUnit's XML."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import indent
from xml.etree import ElementTree as Xml

from flowrun.foreign import lines, one_line
from flowrun.inspect.testing.find import name_of
from flowrun.inspect.testing.verdict import Verdict

_MAX_LINES = 60  # of the output of a test that has not passed
_WORDS = {"passed": "ok  ", "failed": "FAIL", "error": "FAIL"}


def text_of(verdict: Verdict) -> str:
    """The line of a test: its result, path, time and first reason. If it has not passed, its
    further reasons and the end of its output follow, indented."""
    rest = verdict.reasons or (verdict.note,)
    first = f": {one_line(rest[0])}" if rest[0] else ""
    path = one_line(f"{verdict.path}")
    line = f"{_WORDS[verdict.outcome]}  {path} ({verdict.seconds:.1f} s){first}"
    if verdict.outcome == "passed":
        return line
    further = [f"      {one_line(each)}" for each in rest[1:]]
    output = _output(verdict)
    return "\n".join([line, *further, *([indent(output, "      | ")] if output else [])])


def total(verdicts: Sequence[Verdict], seconds: float) -> str:
    """`3 tests: 2 passed, 1 failed (2.6 s)`"""
    failed = sum(each.outcome != "passed" for each in verdicts)
    count = f"{len(verdicts)} test{'' if len(verdicts) == 1 else 's'}"
    return f"{count}: {len(verdicts) - failed} passed, {failed} failed ({seconds:.1f} s)"


def junit(verdicts: Sequence[Verdict], seconds: float) -> str:
    """The report in the XML of JUnit. A broken expectation, a lost frame and a golden file are a
    `failure`, anything else that is wrong an `error`."""
    suites = Xml.Element("testsuites")
    suite = Xml.SubElement(
        suites,
        "testsuite",
        name="flowrun",
        tests=str(len(verdicts)),
        failures=str(sum(each.outcome == "failed" for each in verdicts)),
        errors=str(sum(each.outcome == "error" for each in verdicts)),
        skipped="0",
        time=f"{seconds:.3f}",
    )
    for each in verdicts:
        case = Xml.SubElement(
            suite,
            "testcase",
            classname=one_line(each.path.parent.as_posix()),
            name=one_line(name_of(each.path)),
            file=one_line(each.path.as_posix()),
            time=f"{each.seconds:.3f}",
        )
        if each.outcome != "passed":
            tag = "failure" if each.outcome == "failed" else "error"
            problem = Xml.SubElement(case, tag, message=one_line(each.reasons[0]))
            problem.text = lines("\n".join(each.reasons))
            Xml.SubElement(case, "system-out").text = _output(each)
    Xml.indent(suites)
    return Xml.tostring(suites, encoding="unicode", xml_declaration=False)


def _output(verdict: Verdict) -> str:
    printed = lines(verdict.output.replace("\r", "\n").strip()).split("\n")
    cut = printed[-_MAX_LINES:]
    omitted = len(printed) - len(cut)
    return "\n".join([f"({omitted} lines omitted)", *cut] if omitted else cut)
