from __future__ import annotations

import pytest

from flowrun.spec.flow import Flow, Limits, SinkSpec, SourceSpec, TransportSpec
from flowrun.up.restarts import Restarts, is_finite


def delays(*ends: tuple[float, int, float], finite: bool = False) -> list[float | None]:
    """The delays after processes that ended at a time, with an exit code, after so much health."""
    restarts = Restarts()
    return [
        restarts.delay(code, finite=finite, now=now, healthy=healthy) for now, code, healthy in ends
    ]


def test_the_delays_double_from_one_second_to_thirty() -> None:
    ends = [(float(second), 1, 0.0) for second in range(7)]
    assert delays(*ends) == [1, 2, 4, 8, 16, 30, 30]


def test_ten_healthy_seconds_begin_the_delays_anew() -> None:
    assert delays((0, 1, 0), (9, 1, 9.9), (20, 1, 10.0), (22, 1, 0)) == [1, 2, 1, 2]


@pytest.mark.parametrize("code", [2, 78])
def test_an_invalid_flow_is_not_started_again(code: int) -> None:
    assert delays((0, code, 0.0)) == [None]


@pytest.mark.parametrize("code", [1, 3, 70, 129, 137, 143])
def test_any_other_failure_is_tried_again_also_of_a_finite_source(code: int) -> None:
    assert delays((0, code, 0.0), finite=True) == [1]


def test_only_a_finite_source_is_done_with_exit_code_0() -> None:
    assert delays((0, 0, 60.0), finite=True) == [None]
    assert delays((0, 0, 60.0), finite=False) == [1]


def flow(source: SourceSpec, duration: float | None = None) -> Flow:
    transport = TransportSpec(mode="unary", address=("embedded",), model="identity")
    return Flow("f", source, transport, (SinkSpec("null"),), limits=Limits(duration=duration))


def test_a_file_is_finite_unless_it_is_repeated() -> None:
    assert is_finite(flow(SourceSpec("a.mp4")), None)
    assert not is_finite(flow(SourceSpec("a.mp4", loop=True)), None)


def test_a_camera_is_finite_only_with_a_limit() -> None:
    assert not is_finite(flow(SourceSpec("rtsp://a/b")), True)
    assert is_finite(flow(SourceSpec("rtsp://a/b"), 5.0), True)


def test_what_an_http_source_turned_out_to_be_decides() -> None:
    assert is_finite(flow(SourceSpec("http://a/b")), False)
    assert not is_finite(flow(SourceSpec("http://a/b")), True)
