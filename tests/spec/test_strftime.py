"""The strftime signs of a path, in code and in the schema."""

from __future__ import annotations

import re

import pytest

from flowrun.spec import strftime
from flowrun.spec.flow import SinkSpec
from flowrun.spec.schema import schema


def test_the_schema_knows_the_same_signs() -> None:
    pattern = schema()["$defs"]["sink_uri"]["then"]["pattern"]
    (listed,) = re.findall(r"%\[(\w+)%\]", pattern)
    assert set(listed) == {*strftime.SIGNS, *strftime.SHORT}


@pytest.mark.parametrize(
    ("path", "dated"),
    [("a.mp4", False), ("100%%.mp4", False), ("%%Y.mp4", False), ("%%%Y.mp4", True), ("%F", True)],
)
def test_a_path_is_dated_if_it_has_a_sign(path: str, dated: bool) -> None:
    assert strftime.is_dated(path) == dated


@pytest.mark.parametrize(
    ("sink", "file", "series"),
    [
        (SinkSpec("100%%.mp4"), "100%.mp4", False),
        (SinkSpec("100%.jsonl"), "100%.jsonl", False),
        (SinkSpec("%H.mp4"), "None", True),
        (SinkSpec("a.mp4", segment=5), "None", True),
        (SinkSpec("rtsp://h/%H"), "None", False),
    ],
)
def test_a_sink_writes_one_file_or_a_series(sink: SinkSpec, file: str, series: bool) -> None:
    assert (str(sink.file), sink.is_series) == (file, series)
