"""The reference in the docs is generated from the schema and up to date."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowrun.cli import main
from flowrun.spec.reference import reference
from flowrun.spec.schema import Schema, inlined

PAGE = Path(__file__).parents[2] / "docs" / "reference.md"


def keys(part: Schema, prefix: str = "") -> Iterator[str]:
    for key, child in part.get("properties", {}).items():
        if "properties" not in child or "null" in child["type"]:
            yield prefix + key
        yield from keys(child, f"{prefix}{key}.")


def test_the_page_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "--format", "markdown"]) == 0
    assert PAGE.read_text(encoding="utf-8") == capsys.readouterr().out, (
        "flowrun schema --format markdown > docs/reference.md"
    )


def test_every_key_of_the_schema_has_a_row() -> None:
    first, *sections = reference().split("\n\n## ")
    found = {section.partition("`\n")[0].strip("`"): section for section in sections}
    for key, part in inlined()["properties"].items():
        rows = re.findall(r"^\| `([^`]+)` \|", found.get(key, first), re.MULTILINE)
        inside = part if "properties" in part else part.get("items", {})
        assert rows == list(keys(inside)) if inside else key in rows


@pytest.mark.parametrize(
    "row",
    [
        "| `version` | `1` | `1` | The version of the format. |",
        "| `uri` | text, integer | required | `camera:0` (or a bare number), ",
        "| `size` | size, `null` | `null` | Scale the frames to this size, such as `1280x720`; a",
        "| `loop` | `true`, `false` | `false` | Restart a file at its end. Does not apply to a"
        " camera, to an RTSP stream, to a live stream, to the test pattern or with `poll`. |",
        "| `shared_memory` | `system`, `null` | `null` | ",
        "| `quality` | number 0 to 100, `null` | `null` | ",
        "| `max_age` | duration, `null` | `null` | ",
        "| `tls.cert` | text, `null` | `null` | ",
    ],
)
def test_a_row_has_the_values_the_default_and_the_meaning_of_its_key(row: str) -> None:
    assert row in reference()
