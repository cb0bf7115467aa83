from __future__ import annotations

import logging

import pytest

from flowrun.up.child_lines import LogLine, read_line, report_line


def test_a_report_arrives_as_it_is() -> None:
    assert read_line(report_line({"port": 4711})) == {"port": 4711}


@pytest.mark.parametrize(
    ("line", "level", "message"),
    [
        ('{"level": "error", "message": "a\\nb"}', logging.ERROR, "a\nb"),
        ('{"level": "loud", "message": "a"}', logging.INFO, "a"),
        ('{"message": 3}', logging.INFO, '{"message": 3}'),
        ("{not json", logging.INFO, "{not json"),
        ("[1]", logging.INFO, "[1]"),
        ("", logging.INFO, ""),
    ],
)
def test_other_lines_are_lines_of_the_log(line: str, level: int, message: str) -> None:
    assert read_line(line) == LogLine(level, message)
