from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.spec import units


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("5s", 5.0),
        ("2m", 120.0),
        ("1h", 3600.0),
        ("7d", 604_800.0),
        ("1.5s", 1.5),
        (5, 5.0),
        (0.2, 0.2),
    ],
)
def test_a_duration_is_read_in_seconds(text: str | float, seconds: float) -> None:
    assert units.duration(text) == seconds
    assert type(units.duration(text)) is float


@pytest.mark.parametrize("text", ["", "5", "5 s", "-5s", "5s\n", "s", "1w", "٣s", "1e3s"])
def test_an_invalid_duration_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        units.duration(text)


@given(st.integers(0, 10**9))
def test_milliseconds_are_exact(count: int) -> None:
    assert units.duration(f"{count}ms") == count / 1000


def test_a_size_is_width_and_height() -> None:
    assert units.size("1280x720") == (1280, 720)


@pytest.mark.parametrize(
    "text", ["", "1280", "1280X720", "0x720", "01x2", "1x2\n", "-1x2", "1x2x3"]
)
def test_an_invalid_size_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        units.size(text)


@pytest.mark.parametrize(
    ("text", "count"), [("500M", 500_000_000), ("50G", 50_000_000_000), ("1.5T", 1_500_000_000_000)]
)
def test_an_amount_of_data_is_read_in_bytes(text: str, count: int) -> None:
    assert units.is_amount(text)
    assert units.amount(text) == count


@pytest.mark.parametrize("text", ["", "50", "50g", "50GB", "-1G", "G", "7d"])
def test_an_invalid_amount_of_data_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="is not an amount of data"):
        units.amount(text)


@pytest.mark.parametrize("value", [7, 0.5, "7d", "50m", "90s"])
def test_a_duration_is_no_amount_of_data(value: str | float) -> None:
    assert not units.is_amount(value)
