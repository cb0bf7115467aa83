"""Suggest the hook that decodes the outputs of a model, from the model's metadata."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from flowrun.hooks.decode_boxes import decode_boxes
from flowrun.hooks.decode_classes import decode_classes
from flowrun.hooks.decode_ctc import decode_ctc
from flowrun.hooks.decode_detr import decode_detr
from flowrun.hooks.decode_mask import decode_mask
from flowrun.hooks.decode_ssd import decode_ssd
from flowrun.hooks.decode_tensorflow import decode_tensorflow
from flowrun.hooks.decode_yolo import decode_yolo
from flowrun.hooks.picture import picture
from flowrun.hooks.support.metadata import FLOATS, INTEGERS, Outputs
from flowrun.inference import TensorInfo

_POSE = 56  # columns of COCO's pose models: a box, a score and 17 points
_FEW = 32  # characters, or classes of each pixel
_BOX, _END2END, _SSD = 4, 6, 7  # columns
_MANY = 1000  # rows
_MASK = 8  # pixels; a smaller map is none


class _Candidate(NamedTuple):
    """A hook with options; `shown` are those of its lines, if they are others."""

    hook: Any
    options: dict[str, Any]
    shown: dict[str, Any] | None = None


def suggest(outputs: Outputs) -> str | None:
    """The lines of YAML of the first hook that can read `outputs`; `None` if there is none."""
    for hook, options, shown in _candidates(outputs):
        try:
            hook(**options).check_outputs(outputs)
        except ValueError:
            continue
        return _lines(hook.__name__, options if shown is None else shown)
    return None


def _candidates(outputs: Outputs) -> Iterator[_Candidate]:
    """Hooks that may fit, the most special one first."""
    if "detection_boxes" in outputs:
        yield _Candidate(decode_tensorflow, {})
    if "texts" in outputs:
        yield _Candidate(decode_ctc, {})
    known = [tensor for tensor in outputs.values() if tensor.shape]
    for each in known:
        if len(each.shape) == _BOX and each.shape[-1] == _SSD:
            yield _Candidate(decode_ssd, _differing(output=(each.name, "detection_out")))
    yield from _detr(known)
    yield from _yolo(outputs, known)
    for each in known:
        dimensions, last = len(each.shape), each.shape[-1]
        if dimensions == 2 and last in (_BOX, _BOX + 1) and each.shape[0] != 1:  # noqa: PLR2004
            yield _Candidate(decode_boxes, _differing(boxes=(each.name, "boxes")))
        if each.datatype == "UINT8":
            yield _Candidate(picture, _of(outputs, each))
        if min(each.shape[-2:]) > _MASK or (-1 in each.shape[-2:] and dimensions == _BOX):
            activation = {"activation": "softmax"} if each.datatype in FLOATS else {}
            if dimensions == _BOX or each.datatype in INTEGERS:
                yield _Candidate(decode_mask, _of(outputs, each) | activation)
        if dimensions == 2:  # noqa: PLR2004
            yield _Candidate(decode_classes, _of(outputs, each))


def _yolo(outputs: Outputs, known: list[TensorInfo]) -> Iterator[_Candidate]:
    stacks = [each for each in known if len(each.shape) == _BOX and each.datatype in FLOATS]
    for each in known:
        if len(each.shape) != _BOX - 1 or each.datatype not in FLOATS or each.shape[-1] == _BOX:
            continue
        name = {} if each.name == "output0" else _of(outputs, each)
        _, first, last = each.shape
        rows, columns = max(first, last), min(first, last)
        if _is_text(each):
            with_ = {"texts": each.name, "coordinates": None}
            characters = {"characters": [str(n) for n in range(last - 1)]}
            yield _Candidate(decode_ctc, with_ | characters, with_ | {"characters": "FILE"})
        for stack in stacks:
            if 0 < stack.shape[1] < columns - _BOX or -1 in (first, last):
                yield _Candidate(decode_yolo, name | {"masks": stack.name})
        if columns == _POSE:
            yield _Candidate(decode_yolo, name | {"keypoints": 17})
        if last == _END2END and rows > _MANY:
            yield _Candidate(decode_yolo, name | {"layout": "v5"})
        yield _Candidate(decode_yolo, name)


def _is_text(tensor: TensorInfo) -> bool:
    """Whether the output is rather one of a text recognition model, (1, length, characters), than
    one of a detector. The candidates of detectors for the usual sizes are multiples of 21 or 85."""
    _, length, characters = tensor.shape
    few = _FEW < length <= 10 * _FEW or length == -1
    return few and characters > _FEW and bool(characters % 21 and characters % 85)


def _detr(known: list[TensorInfo]) -> Iterator[_Candidate]:
    queries = [each for each in known if len(each.shape) == _BOX - 1]
    for boxes, scores in itertools.permutations(queries, 2):
        if boxes.shape[-1] == _BOX and scores.shape[1] == boxes.shape[1]:
            names = {"boxes": (boxes.name, "pred_boxes"), "scores": (scores.name, "logits")}
            yield _Candidate(decode_detr, _differing(**names))


def _of(outputs: Outputs, tensor: TensorInfo) -> dict[str, Any]:
    return {"output": tensor.name} if len(outputs) > 1 else {}


def _differing(**names: tuple[str, str]) -> dict[str, Any]:
    """The options whose value, the first one, is not the default, the second one."""
    return {option: name for option, (name, default) in names.items() if name != default}


def _lines(name: str, options: dict[str, Any]) -> str:
    if not options:
        return f"write under `postprocess`:\n  - {name}"
    with_ = ", ".join(f"{key}: {_scalar(value)}" for key, value in options.items())
    return f"write under `postprocess`:\n  - {{hook: {name}, with: {{{with_}}}}}"


def _scalar(value: Any) -> str:
    plain = isinstance(value, str) and value.replace("_", "").isalnum() and value[0].isalpha()
    return value if plain else json.dumps(value)
