"""How many requests an overloaded server gets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flowrun.kserve.client.send_window import CAUTION, SendWindow

MOST = 16


def test_without_an_overload_there_is_no_limit() -> None:
    window = SendWindow()
    window.answered(MOST)
    assert window.limit is None
    assert window.has_space(1000)


def test_an_overload_halves_it_down_to_one() -> None:
    window, limits = SendWindow(), []
    for _ in range(6):
        window.halve(16)
        limits.append(window.limit)
    assert limits == [8, 4, 2, 1, 1, 1]
    assert window.has_space(0)
    assert not window.has_space(1)


def test_it_grows_quickly_to_what_was_refused_and_carefully_beyond() -> None:
    window = SendWindow()
    window.halve(4)
    assert window.limit == 2
    answers = 0
    while window.limit == 2:
        window.answered(MOST)
        answers += 1
    assert answers == 2
    answers = 0
    while window.limit == 3:
        window.answered(MOST)
        answers += 1
    assert answers == CAUTION


def test_it_ends_when_all_requests_of_the_caller_fit() -> None:
    window = SendWindow()
    window.send_alone()
    assert window.limit == 1
    for _ in range(1 + 2 + 3):
        assert window.limit is not None
        window.answered(4)
    assert window.limit is None


@given(st.lists(st.sampled_from(["answered", "halve", "alone"])), st.integers(1, MOST))
def test_it_is_at_least_one_and_no_larger_than_the_caller_needs(
    events: list[str], most: int
) -> None:
    window = SendWindow()
    for event in events:
        if event == "answered":
            window.answered(most)
        elif event == "halve":
            window.halve(most)
        else:
            window.send_alone()
        assert window.limit is None or 1 <= window.limit <= most
    for _ in range(CAUTION * most):
        window.answered(most)
    assert window.limit is None
