"""The adapter to supervision, with the real library where it is installed."""

from __future__ import annotations

import importlib.util
import math
import os
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from flowrun.detection import Detection, Mask, with_detections
from flowrun.errors import InvalidFlowError
from flowrun.frame import Frame
from flowrun.hooks.loader import open_hooks
from flowrun.hooks.supervision import annotate, from_supervision, to_supervision
from flowrun.inference import Result
from flowrun.spec.flow import HookSpec

EMPTY = Result({})
SIZE = (160, 120)
MASK = Mask(np.eye(6, dtype=bool), 40, 30, *SIZE)
PERSON = Detection((10, 20, 60, 100), 0.75, 0, "person", track_id=7)
DOG = Detection((70, 20, 120, 60), 0.5, 3, "dog", keypoints=((80.0, 30.0, 0.75),), mask=MASK)
THING = Detection((30, 30, 50, 40), 0.25, angle=math.pi / 2)

_missing = importlib.util.find_spec("supervision") is None
REQUIRE_ALL = os.environ.get("FLOWRUN_REQUIRE") == "all"


def frame(*found: Detection) -> Frame:
    image = np.full((SIZE[1], SIZE[0], 3), 100, np.uint8)
    image.flags.writeable = False
    return with_detections(Frame(image, 0, 0.0, 0.0, 0.0), found)


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    spec = HookSpec("flowrun.hooks.supervision:annotate", {"annotators": ["BoxAnnotator"]})
    with pytest.raises(InvalidFlowError, match="needs the package supervision") as caught:
        open_hooks([spec], "postprocess")
    assert caught.value.key == "postprocess[0].with"
    assert caught.value.hint == "pip install 'flowrun-kserve[supervision]'"


@pytest.mark.parametrize("value", [None, [], "BoxAnnotator", [3], [{"A": {}, "B": {}}]])
def test_annotators_are_a_list_of_names(value: Any) -> None:
    with pytest.raises(InvalidFlowError) as caught:
        annotate(value)
    assert caught.value.key == "annotators"


@pytest.mark.supervision
@pytest.mark.skipif(_missing and not REQUIRE_ALL, reason="supervision is not installed")
class TestReal:
    def test_detections_come_back_as_they_were(self) -> None:
        for found in ((), (PERSON,), (PERSON, DOG, THING), (THING,)):
            assert from_supervision(to_supervision(found, SIZE)) == found

    def test_detections_of_supervision_have_all_fields(self) -> None:
        made = to_supervision((PERSON, DOG, THING), SIZE)
        assert made.xyxy.tolist() == [list(each.box) for each in (PERSON, DOG, THING)]
        assert made.confidence.tolist() == [0.75, 0.5, 0.25]
        assert made.class_id.tolist() == [0, 3, -1]
        assert made.tracker_id.tolist() == [7, -1, -1]
        assert made.data["class_name"].tolist() == ["person", "dog", ""]
        assert made.mask.sum(axis=(1, 2)).tolist() == [0, 6, 0]
        turned = made.data["xyxyxyxy"][2]
        assert turned.min(axis=0).tolist() == pytest.approx([35, 25])
        assert turned.max(axis=0).tolist() == pytest.approx([45, 45])

    def test_a_selection_of_supervision_keeps_what_it_has_no_field_for(self) -> None:
        made = to_supervision((PERSON, DOG, THING), SIZE)
        assert from_supervision(made[made.class_id == 3]) == (DOG,)

    def test_detections_that_supervision_made_are_converted(self) -> None:
        import supervision

        made = supervision.Detections(xyxy=np.array([[1, 2, 3, 4]], np.float32))
        assert from_supervision(made) == (Detection((1, 2, 3, 4), 1.0),)

    @pytest.mark.parametrize(
        "annotator",
        ["BoxCornerAnnotator", "LabelAnnotator", "EllipseAnnotator", "MaskAnnotator",
         "ColorAnnotator",
         "VertexAnnotator", "PercentageBarAnnotator", "BlurAnnotator", "RichLabelAnnotator",
         {"DotAnnotator": {"position": "bottom_center", "color": "#ff0000"}},
         {"TraceAnnotator": {"trace_length": 5, "color_lookup": "TRACK"}}],
    )  # fmt: skip
    def test_annotators_draw_on_a_copy(self, annotator: Any) -> None:
        hook = annotate([annotator])
        for n in range(3):
            moved = [
                Detection((10 + 9 * n, 20, 60 + 9 * n, 100), 0.75, 0, "person", track_id=7),
                DOG,
            ]
            before = frame(*moved)
            after = hook(before, EMPTY)
            assert after.image.shape == before.image.shape
            assert after.image.dtype == np.uint8
        if annotator != "BlurAnnotator":  # on one color there is nothing to see
            assert (after.image != before.image).any()
        hook(frame(), EMPTY)

    def test_detections_without_a_class_are_drawn(self) -> None:
        before = frame(replace(PERSON, class_id=None, label=None))
        hook = annotate(["BoxCornerAnnotator", "LabelAnnotator"])
        assert (hook(before, EMPTY).image != before.image).any()

    def test_colors_are_those_of_the_source(self) -> None:
        red = {"ColorAnnotator": {"color": "#ff0000", "opacity": 1.0}}
        assert annotate([red])(frame(PERSON), EMPTY).image[50, 30].tolist() == [255, 0, 0]
        bgr = annotate([red], color="bgr")(frame(PERSON), EMPTY)
        assert bgr.image[50, 30].tolist() == [0, 0, 255]

    @pytest.mark.parametrize(
        ("annotators", "message"),
        [
            (["BoxCorner"], "'BoxCorner' is not one of .*BoxCornerAnnotator"),
            (["LineZoneAnnotator"], "'LineZoneAnnotator' is not one of"),
            ([{"BoxAnnotator": {"width": 3}}], "'width' is not an option of BoxAnnotator"),
            ([{"BoxAnnotator": {"color_lookup": "SIZE"}}], "'SIZE' is not one of .*TRACK"),
        ],
    )
    def test_what_is_no_annotator_or_no_option_is_an_error(
        self, annotators: Any, message: str
    ) -> None:
        with pytest.raises(InvalidFlowError, match=message) as caught:
            annotate(annotators)
        assert caught.value.key == "annotators"
