"""Hooks that depend on one another."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flowrun.errors import InvalidFlowError
from flowrun.hooks.combinations import unblurred_frames
from flowrun.hooks.loader import check_hooks, open_hooks
from flowrun.spec.flow import Flow, HookSpec, OnError, SinkSpec, SourceSpec, TransportSpec

LINES = HookSpec("flowrun.hooks.zones:zones", {"lines": {"door": [[0, 90], [90, 90]]}})
ZONES = HookSpec("flowrun.hooks.zones:zones", {"zones": {"yard": [[0, 0], [90, 0], [90, 90]]}})
TRACK = HookSpec("flowrun.hooks.track:track")
DECODE = HookSpec("flowrun.hooks.decode_ssd:decode_ssd")
OWN = HookSpec("people:follow")


@pytest.mark.parametrize("specs", [(DECODE, LINES), (LINES, TRACK)])
def test_lines_without_track_before_them_are_an_error_before_the_first_frame(
    specs: tuple[HookSpec, ...],
) -> None:
    (error,) = check_hooks(specs, "postprocess", library_only=True)
    assert error.key == f"postprocess[{specs.index(LINES)}].with.lines"
    assert "track_id" in error.message
    assert error.hint == "put `track` before `zones`"
    with pytest.raises(InvalidFlowError, match="track_id"):
        open_hooks(specs, "postprocess")


@pytest.mark.parametrize("specs", [(DECODE, TRACK, LINES), (DECODE, ZONES), (OWN, LINES)])
def test_track_or_a_hook_of_the_user_before_lines_is_enough(specs: tuple[HookSpec, ...]) -> None:
    assert check_hooks(specs, "postprocess", library_only=True) == []


def test_draw_zones_without_zones_before_it_is_an_error_before_the_first_frame() -> None:
    drawing = HookSpec("flowrun.hooks.draw_zones:draw_zones")
    (error,) = check_hooks((DECODE, drawing, ZONES), "postprocess", library_only=True)
    assert error.key == "postprocess[1].hook"
    assert error.hint == "put `zones` before `draw_zones`"
    assert check_hooks((ZONES, drawing), "postprocess", library_only=True) == []


def blurring(*hooks: HookSpec, **transport: OnError) -> Flow:
    spec = TransportSpec("unary", ("localhost:9000",), "faces", **transport)  # type: ignore[arg-type]
    return Flow("faces", SourceSpec("test"), spec, (SinkSpec("null"),), postprocess=hooks)


BLUR = HookSpec("flowrun.hooks.blur:blur")
DRAW = HookSpec("flowrun.hooks.draw_boxes:draw_boxes")


def test_every_way_around_blur_is_noted() -> None:
    passing = replace(DECODE, on_error="passthrough")
    after = replace(DRAW, on_error="passthrough")
    flow = blurring(passing, BLUR, after, on_error="passthrough", on_outage="passthrough")
    remarks = list(unblurred_frames(flow))
    keys = [each.key for each in remarks]
    assert keys == ["transport.on_error", "transport.on_outage", "postprocess[0].on_error"]
    assert {each.severity for each in remarks} == {"note"}
    assert all("`drop`" in each.hint for each in remarks)


def test_without_a_way_around_blur_or_without_blur_nothing_is_noted() -> None:
    assert list(unblurred_frames(blurring(DECODE, BLUR, on_error="drop"))) == []
    assert list(unblurred_frames(blurring(DECODE, DRAW, on_error="passthrough"))) == []
