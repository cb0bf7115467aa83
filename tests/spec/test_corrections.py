"""Whatever is suggested is allowed, and means the same."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from flowrun.spec import units
from flowrun.spec.corrections import corrections
from flowrun.spec.scalars import scalar
from flowrun.spec.schema import inlined

TRANSPORT = inlined()["properties"]["transport"]["properties"]
SOURCE = inlined()["properties"]["source"]["properties"]
DURATION, SIZE = SOURCE["open_timeout"], SOURCE["size"]
SCHEMAS = [*TRANSPORT.values(), *SOURCE.values(), *inlined()["properties"].values()]
UNITS = {"s": 1, " sec": 1, "min": 60, " minutes": 60, "h": 3600, " hours": 3600}
TEXTS = st.one_of(
    st.text(max_size=30),
    st.from_regex(r"[0-9.]{1,4} ?(ms|sec|min|hours|k|M|fps|p)?[0-9x*/:]{0,5}", fullmatch=True),
    st.from_regex(r"[a-z]{0,5}:?/{0,2}[a-z.0-9]{0,6}:?[0-9]{0,4}", fullmatch=True),
)
VALUES: Any = st.one_of(
    TEXTS, st.integers(), st.booleans(), st.floats(), st.lists(TEXTS), st.none()
)


@given(VALUES, st.sampled_from(SCHEMAS))
def test_every_suggestion_is_another_value_that_the_schema_allows(value: Any, of: Any) -> None:
    for suggestion in corrections(value, of):
        assert suggestion != value
        assert Draft202012Validator(of).is_valid(scalar(suggestion)), (value, suggestion)


@given(
    st.lists(st.tuples(st.integers(1, 59), st.sampled_from(sorted(UNITS))), min_size=1, max_size=3)
)
def test_a_duration_in_other_words_is_as_long(terms: list[tuple[int, str]]) -> None:
    text = " ".join(f"{number}{unit}" for number, unit in terms)
    seconds = sum(number * UNITS[unit] for number, unit in terms)
    found = list(corrections(text, DURATION))
    if len(terms) > 1 or not re.fullmatch(r"\d+[smh]", text):
        assert {units.duration(each) for each in found} == {seconds}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        *(("1h30m", "5400s"), ("90 sec", "90s"), ("1.5m", "90s"), (".25s", "250ms")),
        *(("1:30", "90s"), ("1:00:05", "3605s"), ("1 day", "1d")),
        ("1 hour and 5 minutes", "3900s"),
    ],
)
def test_durations(text: str, wanted: str) -> None:
    assert next(corrections(text, DURATION)) == wanted


@pytest.mark.parametrize("text", ["50 G", "50GB", "50 GiB", "50g"])
def test_amounts_of_data(text: str) -> None:
    assert next(corrections(text, inlined()["properties"]["sink"]["properties"]["keep"])) == "50G"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        *(("1080p", "1920x1080"), ("4K", "3840x2160"), ("full HD", "1920x1080")),
        *(("1280X720", "1280x720"), ("1280 by 720", "1280x720"), ("1280, 720", "1280x720")),
        *((("1280\N{MULTIPLICATION SIGN}720"), "1280x720"), ([640, 480], "640x480")),
    ],
)
def test_sizes(text: Any, wanted: str) -> None:
    assert next(corrections(text, SIZE)) == wanted


def test_the_items_of_a_list_of_addresses_are_not_joined() -> None:
    address = inlined()["properties"]["transport"]["properties"]["address"]
    assert not list(corrections(["here:9000", "here:9000"], address))
