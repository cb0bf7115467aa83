"""The full messages for every kind of error in well-formed YAML (see messages.txt)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flowrun.spec.schema import schema

FLOW = """\
version: 1
source: {uri: test}
preprocess: [a:b]
transport:
  mode: unary
  address: localhost:9000
  model: m
sink: {uri: out.mp4}
"""


def cases() -> list[Any]:
    """Each block of the file: `old => new`, applied to FLOW (`\\n` is a line end), and below it
    everything that the user sees; `{sinks}` stands for the list of sinks in the schema."""
    sinks = schema()["$defs"]["sink_uri"]["errorMessage"]
    blocks = (Path(__file__).parent / "messages.txt").read_text(encoding="utf-8").split("\n\n")
    parts = [block.strip("\n").partition("\n") for block in blocks]
    return [
        pytest.param(change, text.replace("{sinks}", sinks), id=change) for change, _, text in parts
    ]


@pytest.mark.parametrize(("change", "text"), cases())
def test_an_error_has_one_message(complain: Any, change: str, text: str) -> None:
    old, new = (part.replace("\\n", "\n") for part in change.split(" => "))
    assert FLOW.count(old) == 1
    assert "\n".join(complain(FLOW.replace(old, new))) == text
