"""Use the annotators of the library supervision, and convert detections to and from its form."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import replace
from enum import Enum
from typing import Any

import numpy as np

from flowrun.detection import Detection, Mask, detections_of
from flowrun.errors import InvalidFlowError
from flowrun.frame import Frame
from flowrun.hooks.support import options
from flowrun.hooks.support.drawing import percent
from flowrun.hooks.support.geometry import corners
from flowrun.inference import Result

_ORIGIN = "flowrun"  # the name of the Detection objects in the `data` of supervision's


class annotate:
    """Draw with the annotators of supervision, in their order, on a copy of the image.

    `annotators` is a list; each item is the name of a class, such as BoxCornerAnnotator, or
    {NAME: {options of its constructor}}. Names of enumerations are written as text
    (`color_lookup: TRACK`), colors as `"#ff0000"`. Those of detections and those of keypoints can
    be used. Annotators that write labels get `#7 person 93 %`. `color` is the source's, rgb or bgr;
    supervision draws in bgr, so that rgb costs two more copies. Needs the extra `supervision`.
    """

    reads_outputs = ()

    def __init__(self, annotators: Any, color: str = "rgb") -> None:
        if not isinstance(annotators, (list, tuple)) or not annotators:
            options.reject("annotators", annotators, "a list of annotators", _EXAMPLE)
        self._annotators = [_annotator(each) for each in annotators]
        self._step = -1 if options.choice("color", color, ("rgb", "bgr")) == "rgb" else 1

    def __call__(self, frame: Frame, result: Result) -> Frame:
        found = detections_of(frame)
        detections = to_supervision(found, (frame.width, frame.height))
        image = np.array(frame.image[:, :, :: self._step], order="C")
        for each in self._annotators:
            takes = inspect.signature(each.annotate).parameters
            values: dict[str, Any] = {}
            if "detections" in takes:
                values["detections"] = detections
                labelled = found
            else:
                labelled = tuple(one for one in found if one.keypoints)
                if not labelled:
                    continue
                values["key_points"] = _key_points(labelled)
            if "labels" in takes and "detections" in takes:
                values["labels"] = [_label(one) for one in labelled]
            image = each.annotate(image, **values)
        return frame.with_image(np.ascontiguousarray(image[:, :, :: self._step]))


def to_supervision(found: Iterable[Detection], size: tuple[int, int]) -> Any:
    """`supervision.Detections` of a picture of `size` (width, height).

    What only some detections have is -1 for the others (`class_id`, `tracker_id`) or nothing
    (`mask`). Labels are `data["class_name"]`, rotated boxes `data["xyxyxyxy"]`.
    """
    supervision = _library()
    found = tuple(found)
    objects = np.empty(len(found), object)
    objects[:] = found
    data: dict[str, Any] = {_ORIGIN: objects}
    if any(each.label is not None for each in found):
        data["class_name"] = np.array([each.label or "" for each in found])
    if any(each.angle is not None for each in found):
        data["xyxyxyxy"] = np.array(
            [corners(each.box, each.angle or 0.0) for each in found], np.float32
        )
    tracked = not found or any(each.track_id is not None for each in found)
    masks = None
    if any(each.mask is not None for each in found):
        masks = np.array([_whole(each.mask, size) for each in found])
    return supervision.Detections(
        xyxy=np.array([each.box for each in found], np.float32).reshape(-1, 4),
        confidence=np.array([each.score for each in found], np.float32),
        class_id=_integers([each.class_id for each in found]),  # annotators need it for the color
        tracker_id=None if not tracked else _integers([each.track_id for each in found]),
        mask=masks,
        data=data,
    )


def from_supervision(detections: Any) -> tuple[Detection, ...]:
    """Detections of flowrun from `supervision.Detections`; what supervision has no field for is
    kept for those that `to_supervision` made."""
    count = len(detections)
    origins = detections.data.get(_ORIGIN, [Detection((0, 0, 0, 0), 1.0)] * count)
    names = detections.data.get("class_name", [None] * count)
    found = []
    for n, origin in enumerate(origins):
        x0, y0, x1, y1 = detections.xyxy[n].tolist()
        score = 1.0 if detections.confidence is None else float(detections.confidence[n])
        changes: dict[str, Any] = {
            "class_id": _one(detections.class_id, n),
            "track_id": _one(detections.tracker_id, n),
            "label": str(names[n]) if names[n] else None,
        }
        if detections.mask is not None:
            changes["mask"] = _cut(np.asarray(detections.mask[n], bool))
        found.append(replace(origin, box=(x0, y0, x1, y1), score=score, **changes))
    return tuple(found)


_EXAMPLE = "such as [BoxCornerAnnotator, {TraceAnnotator: {trace_length: 60}}]"


def _library() -> Any:
    try:
        import supervision
    except ImportError as error:
        raise InvalidFlowError(
            f"needs the package supervision, which cannot be imported: {error}",
            hint="pip install 'flowrun-kserve[supervision]'",
        ) from error
    return supervision


def _annotator(item: Any) -> Any:
    """The annotator of an item of the option."""
    given: Mapping[str, Any] = {}
    name = item
    if isinstance(item, Mapping) and len(item) == 1:
        ((name, given),) = item.items()
    if not isinstance(name, str) or not isinstance(given or {}, Mapping):
        options.reject("annotators", item, "the name of an annotator", _EXAMPLE)
    library = _library()
    usable = sorted(each for each in dir(library) if _is_usable(getattr(library, each)))
    if name not in usable:
        options.reject("annotators", name, f"one of {', '.join(usable)}")
    made = getattr(library, name)
    parameters = inspect.signature(made).parameters
    try:
        return made(**{key: _value(parameters[key], value) for key, value in (given or {}).items()})
    except KeyError as error:
        known = ", ".join(parameters)
        options.reject("annotators", error.args[0], f"an option of {name}", f"its options: {known}")
    except (TypeError, ValueError) as error:
        raise InvalidFlowError(f"{name}: {error}", key="annotators") from error


def _value(parameter: inspect.Parameter, value: Any) -> Any:
    """`value`, or what it names in the enumeration of the parameter's default."""
    if not isinstance(parameter.default, Enum) or not isinstance(value, str):
        return value
    kinds = type(parameter.default)
    if value.upper() not in kinds.__members__:
        options.reject("annotators", value, f"one of {', '.join(kinds.__members__)}")
    return kinds[value.upper()]


def _is_usable(made: Any) -> bool:
    """Whether it is an annotator that needs detections or keypoints only."""
    if not str(getattr(made, "__name__", "")).endswith("Annotator"):
        return False
    parameters = [*inspect.signature(made.annotate).parameters.values()][1:]
    needed = [each.name for each in parameters if each.default is each.empty]
    return needed in (["scene", "detections"], ["scene", "key_points"])


def _key_points(found: Iterable[Detection]) -> Any:
    points = np.array([each.keypoints for each in found], np.float32)
    return _library().KeyPoints(xy=points[..., :2], keypoint_confidence=points[..., 2])


def _label(found: Detection) -> str:
    number = "" if found.track_id is None else f"#{found.track_id}"
    name = found.label or ("" if found.class_id is None else str(found.class_id))
    return " ".join(filter(None, (number, name, percent(found.score))))


def _integers(values: list[int | None]) -> Any:
    return np.array([-1 if value is None else value for value in values], int)


def _one(values: Any, n: int) -> int | None:
    return None if values is None or values[n] < 0 else int(values[n])


def _whole(mask: Mask | None, size: tuple[int, int]) -> Any:
    whole = np.zeros((size[1], size[0]), bool)
    if mask is not None:
        rows, columns = mask.pixels.shape
        whole[mask.top : mask.top + rows, mask.left : mask.left + columns] = mask.pixels
    return whole


def _cut(whole: Any) -> Mask | None:
    """A mask of the part that has pixels; `None` if there are none."""
    rows, columns = np.flatnonzero(whole.any(1)), np.flatnonzero(whole.any(0))
    if not len(rows):
        return None
    top, left = int(rows[0]), int(columns[0])
    part = whole[top : rows[-1] + 1, left : columns[-1] + 1]
    return Mask(part, left, top, whole.shape[1], whole.shape[0])
