"""Models with the names, datatypes and shapes of those that people serve, which find the bright.

Stand-alone: numpy and nothing else, for they run inside Triton, MLServer and the embedded server.
What they find can be computed without them: a picture is dark but for one bright rectangle, or all
dark. Pixel rectangles are (x0, y0, x1, y1), x1 and y1 being the first that are dark again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

BRIGHT = 160  # of 255; what compression makes of black and of white is far from it
SCORE = 0.875  # exact in binary, for what is found
LETTERS = "#1234567890abcdefghijklmnopqrstuvwxyz"  # the first is CTC's blank
WORD = "hello"
CLASS_ID = 1  # of what is found: a person, by TensorFlow's numbers for COCO

Array = Any
Tensors = Mapping[str, Array]
Declared = Mapping[str, tuple[str, tuple[int, ...]]]  # name: datatype and shape


@dataclass(frozen=True)
class Signature:
    """`infer` gives the outputs by name, or `None` if it has found nothing that it could answer."""

    inputs: Declared
    outputs: Declared
    infer: Callable[[Tensors], Tensors | None]


def bright(picture: Array) -> tuple[int, int, int, int] | None:
    """The bright rectangle of a picture (height, width, 3)."""
    rows, columns = np.nonzero(picture.min(axis=2) > BRIGHT)
    if not len(rows):
        return None
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def ssd(tensors: Tensors) -> Tensors:
    (data,) = tensors.values()
    height, width = data.shape[2:]
    found = bright(data[0].transpose(1, 2, 0))
    rows = np.zeros((200, 7), np.float32)
    rows[:, 0] = -1
    if found is not None:
        x0, y0, x1, y1 = found
        rows[0] = (0, 1, SCORE, x0 / width, y0 / height, x1 / width, y1 / height)
    return {"detection_out": rows[None, None]}


def yolo(tensors: Tensors) -> Tensors:
    """Candidates in columns: what is found, twice."""
    (images,) = tensors.values()
    found = bright(images[0].transpose(1, 2, 0) * 255)
    columns = np.zeros((1, 84, 8400), np.float32)
    if found is not None:
        box = centered(found)
        columns[0, :4, 5:7] = np.transpose([box, box])
        columns[0, 4, 5:7] = SCORE, SCORE / 2
    return {"output0": columns}


def centered(found: tuple[int, int, int, int]) -> tuple[float, float, float, float]:
    """The centre, the width and the height of a rectangle."""
    x0, y0, x1, y1 = found
    return (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0


def yolo_pose(tensors: Tensors) -> Tensors:
    """The first point is the upper left corner, the second one the lower right."""
    (images,) = tensors.values()
    found = bright(images[0].transpose(1, 2, 0) * 255)
    columns = np.zeros((1, 56, 8400), np.float32)
    if found is not None:
        x0, y0, x1, y1 = found
        columns[0, :11, 5] = (*centered(found), SCORE, x0, y0, 1, x1, y1, 0.5)
    return {"output0": columns}


def yolo_segment(tensors: Tensors) -> Tensors:
    """The first prototype is 1 in the left half of the picture, -1 in the right one."""
    (images,) = tensors.values()
    found = bright(images[0].transpose(1, 2, 0) * 255)
    columns = np.zeros((1, 116, 8400), np.float32)
    prototypes = np.ones((1, 32, 160, 160), np.float32)
    if found is not None:
        columns[0, [0, 1, 2, 3, 4], 5] = (*centered(found), SCORE)
        columns[0, 84, 5] = 1
        prototypes[..., round((found[0] + found[2]) / 2 / 4) :] = -1
    return {"output0": columns, "output1": prototypes}


def rtdetr(tensors: Tensors) -> Tensors:
    (images,) = tensors.values()
    found = bright(images[0].transpose(1, 2, 0) * 255)
    boxes, logits = np.zeros((1, 300, 4), np.float32), np.full((1, 300, 80), -9, np.float32)
    if found is not None:
        boxes[0, 7] = np.array(centered(found)) / 640
        logits[0, 7, 0] = np.log(SCORE / (1 - SCORE))
    return {"logits": logits, "pred_boxes": boxes}


def segmentation(tensors: Tensors) -> Tensors:
    """Class 3 where it is bright."""
    (images,) = tensors.values()
    logits = np.zeros((1, 4, 512, 512), np.float32)
    logits[0, 3] = np.where(images[0].min(axis=0) > 0, 9, -9)
    return {"logits": logits}


def faster_rcnn(tensors: Tensors) -> Tensors:
    (data,) = tensors.values()
    height, width = data.shape[1:3]
    found = bright(data[0])
    boxes, scores = np.zeros((1, 100, 4), np.float32), np.zeros((1, 100), np.float32)
    if found is not None:
        x0, y0, x1, y1 = found
        boxes[0, 0] = (y0 / height, x0 / width, y1 / height, x1 / width)
        scores[0, 0] = SCORE
    return {
        "detection_boxes": boxes,
        "detection_classes": np.full((1, 100), CLASS_ID, np.float32),
        "detection_scores": scores,
        "num_detections": np.array([found is not None], np.float32),
    }


def resnet(tensors: Tensors) -> Tensors:
    (data,) = tensors.values()
    scores = np.full((1, 1000), (1 - SCORE) / 999, np.float32)
    scores[0, CLASS_ID if bright(data[0]) else 0] = SCORE
    return {"gpu_0/softmax_1": scores}


def text(tensors: Tensors) -> Tensors:
    (data,) = tensors.values()
    found = bright(data[0])
    rows = [] if found is None else [(*found, SCORE)]
    return {"boxes": np.array(rows, np.float32).reshape(-1, 5)}


def ocr(tensors: Tensors) -> Tensors | None:
    (data,) = tensors.values()
    found = bright(data[0])
    if found is None:
        return None
    x0, y0, x1, y1 = found
    steps = np.zeros((1, 1, 2 * len(WORD), len(LETTERS)), np.float32)
    for at, letter in enumerate(WORD):
        steps[0, 0, 2 * at, LETTERS.index(letter)] = 1
        steps[0, 0, 2 * at + 1, 0] = 1  # between two of the same letter there must be a blank
    corner_and_size = np.array([[x0, y0, x1 - x0, y1 - y0]], np.int32)
    return {"texts": steps, "text_coordinates": corner_and_size}


def tracking(tensors: Tensors) -> Tensors:
    (image,) = tensors.values()
    found, drawn = bright(image), image.copy()
    if found is not None:
        x0, y0, x1, y1 = found
        drawn[y0:y1, x0:x1] = (0, 255, 0)
    return {"output": drawn}


def object_detection(tensors: Tensors) -> Tensors:
    (image,) = tensors.values()
    rows, columns = (np.arange(320) * side // 320 for side in image.shape[:2])
    return tracking({"input": np.ascontiguousarray(image[rows][:, columns])})


def _picture(name: str) -> Declared:
    return {name: ("UINT8", (-1, -1, 3))}


def _detector(side: int) -> Signature:
    return Signature(
        {"data": ("FP32", (1, 3, side, side))}, {"detection_out": ("FP32", (1, 1, 200, 7))}, ssd
    )


_TEXT: Declared = {"image": ("FP32", (1, 704, 704, 3))}
SIGNATURES: dict[str, Signature] = {
    "face-detection": _detector(300),
    "person-vehicle-detection": _detector(1024),
    "faster_rcnn": Signature(
        {"input_tensor": ("UINT8", (1, 255, 255, 3))},
        {
            "detection_boxes": ("FP32", (1, 100, 4)),
            "detection_classes": ("FP32", (1, 100)),
            "detection_scores": ("FP32", (1, 100)),
            "num_detections": ("FP32", (1,)),
        },
        faster_rcnn,
    ),
    "yolo": Signature(
        {"images": ("FP32", (1, 3, 640, 640))}, {"output0": ("FP32", (1, 84, 8400))}, yolo
    ),
    "yolo-pose": Signature(
        {"images": ("FP32", (1, 3, 640, 640))}, {"output0": ("FP32", (1, 56, 8400))}, yolo_pose
    ),
    "yolo-segment": Signature(
        {"images": ("FP32", (1, 3, 640, 640))},
        {"output0": ("FP32", (1, 116, 8400)), "output1": ("FP32", (1, 32, 160, 160))},
        yolo_segment,
    ),
    "rtdetr": Signature(
        {"pixel_values": ("FP32", (1, 3, 640, 640))},
        {"logits": ("FP32", (1, 300, 80)), "pred_boxes": ("FP32", (1, 300, 4))},
        rtdetr,
    ),
    "segmentation": Signature(
        {"pixel_values": ("FP32", (1, 3, 512, 512))},
        {"logits": ("FP32", (1, 4, 512, 512))},
        segmentation,
    ),
    "resnet": Signature(
        {"gpu_0/data_0": ("UINT8", (1, 224, 224, 3))},
        {"gpu_0/softmax_1": ("FP32", (1, 1000))},
        resnet,
    ),
    "text": Signature(_TEXT, {"boxes": ("FP32", (-1, 5))}, text),
    "detect_text_images": Signature(
        _TEXT,
        {"texts": ("FP32", (-1, 1, -1, len(LETTERS))), "text_coordinates": ("INT32", (-1, 4))},
        ocr,
    ),
    "holisticTracking": Signature(_picture("first_input_video"), _picture("output"), tracking),
    "irisTracking": Signature(_picture("first_input_video"), _picture("output"), tracking),
    "objectDetection": Signature(_picture("input"), _picture("output"), object_detection),
}
