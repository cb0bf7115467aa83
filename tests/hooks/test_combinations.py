"""Hooks that depend on one another."""

from __future__ import annotations

import pytest

from flowrun.errors import InvalidFlowError
from flowrun.hooks.loader import check_hooks, open_hooks
from flowrun.spec.flow import HookSpec

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
