from __future__ import annotations

import os
from pathlib import Path

import pytest

from flowrun.spec.load import LoadedFlow, load
from flowrun.up.conflicts import Used

FLOW = """version: 1
source: test
transport: {mode: unary, address: embedded, model: identity}
"""
SHARED = ["'null'", "'-'", "mqtt://broker/topic", "http://host/lines", "web:127.0.0.1:0"]


def flow(path: Path, text: str) -> LoadedFlow:
    path.write_text(FLOW + text)
    return load(path)


def problem(folder: Path, one: str, other: str) -> str | None:
    """Why a flow with the lines `other` cannot run beside one with the lines `one`."""
    used = Used(("127.0.0.1:9000",))
    used.add(flow(folder / "one.yaml", one))
    found = used.problem(flow(folder / "other.yaml", other))
    return None if found is None else found.message.replace(f"{folder}{os.sep}", "")


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        (
            "sink: 'null'\nname: x\n",
            "sink: 'null'\nname: x\n",
            "name: the name 'x' is also that of one.yaml",
        ),
        ("sink: a.mp4\n", "sink: ./a.mp4\n", "sink: the file ./a.mp4 is also that of one.yaml"),
        (
            "sink: rec/%Y/%H%M%S.mp4\n",
            "sink: ['null', rec/%Y/%H%M%S.mp4]\n",
            "sink[1]: the file rec/%Y/%H%M%S.mp4 is also that of one.yaml",
        ),
        (
            "sink: rtsp://me:pw@out/1\n",
            "sink: rtsp://me:pw@out/1\n",
            "sink: the stream rtsp://***@out/1 is also that of one.yaml",
        ),
        (
            "sink: web\n",
            "sink: web:127.0.0.1:8080\n",
            "sink: the address 127.0.0.1:8080 is also that of one.yaml",
        ),
        (
            "sink: 'null'\nmetrics: 127.0.0.1:9101\n",
            "sink: 'null'\nmetrics: 127.0.0.1:9101\n",
            "metrics: the address 127.0.0.1:9101 is also that of one.yaml",
        ),
        (
            "sink: 'null'\n",
            "sink: 'null'\nmetrics: 127.0.0.1:9000\n",
            "metrics: the address 127.0.0.1:9000 is also that of `flowrun up`",
        ),
        (
            "sink: 'null'\nmetrics: 127.0.0.1:9101\n",
            "sink: web:localhost:9101\n",
            "sink: the address localhost:9101 is also that of one.yaml",
        ),
        (
            "sink: 'null'\n",
            "sink: 'null'\nmetrics: localhost:9000\n",
            "metrics: the address localhost:9000 is also that of `flowrun up`",
        ),
    ],
)
def test_what_only_one_flow_can_have_is_a_problem_of_the_second(
    tmp_path: Path, one: str, other: str, message: str
) -> None:
    assert problem(tmp_path, one, other) == message


@pytest.mark.parametrize("sink", SHARED)
def test_some_sinks_are_those_of_many_flows(tmp_path: Path, sink: str) -> None:
    assert problem(tmp_path, f"sink: {sink}\n", f"sink: {sink}\n") is None
