"""The part of the source's picture that the model sees."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.view import Box, View

sides = st.integers(1, 4000)
VIEWS = st.builds(
    View,
    sides,
    sides,
    st.floats(-5000, 5000),
    st.floats(-5000, 5000),
    st.floats(0.01, 100),
    st.floats(0.01, 100),
)


def whole(view: View) -> Box:
    return view.to_source((0, 0, view.width, view.height))


@given(VIEWS, sides, sides)
def test_a_resized_view_shows_the_same_part(view: View, width: int, height: int) -> None:
    resized = view.resized(width, height)
    assert (resized.width, resized.height) == (width, height)
    assert whole(resized) == pytest.approx(whole(view), rel=1e-6, abs=1e-6)


@given(VIEWS, st.integers(-500, 500), st.integers(-500, 500), sides, sides)
def test_a_part_of_a_view_is_where_it_was_cut(
    view: View, left: int, top: int, width: int, height: int
) -> None:
    part = view.cut(left, top, width, height)
    box = (left, top, left + width, top + height)
    assert whole(part) == pytest.approx(view.to_source(box), rel=1e-6, abs=1e-6)


def test_a_letterbox_leads_back_to_the_pixels_of_the_source() -> None:
    # 1920x1080 in 300x300: 300x169 pixels of it, 65 lines of padding above.
    seen = View(1920, 1080).resized(300, 169).cut(0, -65, 300, 300)
    assert seen.to_source((0, 65, 300, 234)) == pytest.approx((0, 0, 1920, 1080))
    assert seen.to_source((150, 149.5, 150, 149.5)) == pytest.approx((960, 540, 960, 540))


@given(VIEWS)
def test_points_lead_back_to_the_source_as_the_corners_of_a_box_do(view: View) -> None:
    x0, y0, x1, y1 = view.to_source((1, 2, 30, 40))
    points = view.points_to_source(np.array([[[1, 2], [30, 40]]]))
    assert points.ravel().tolist() == pytest.approx([x0, y0, x1, y1])
