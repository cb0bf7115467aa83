"""Face detection with OpenCV's Haar cascade, with the signature of OpenVINO's face detectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from flowrun.inference import Tensor, TensorInfo
from flowrun.kserve.server.models.model import Model

SIDE = 300
ROWS = 200
FACE = 1  # the label
# The cascade returns a weight for each detection. In footage of people nearly all faces have more
# than EVEN, and nearly all false detections less. The confidence is 0.5 at EVEN, and 0.95 one unit
# above it.
EVEN, STEEP = 107.6, 3.0
SMALLEST = (20, 20)  # pixels; the size that the cascade was trained with


class FaceDetection:
    """Detects upright frontal faces. Needs the package cv2."""

    def __init__(self) -> None:
        import cv2
        import cv2.data

        self._cv2: Any = cv2
        self._cascade = cv2.CascadeClassifier(
            f"{cv2.data.haarcascades}haarcascade_frontalface_alt.xml"
        )

    def __call__(self, given: Mapping[str, Tensor]) -> Tensor:
        """From BGR 0..255, (1, 3, 300, 300), to (1, 1, 200, 7) with rows [image, label, confidence,
        x0, y0, x1, y1], the most likely face first; unused rows are -1 and zeros."""
        picture = np.clip(np.rint(given["data"][0]), 0, 255).astype(np.uint8).transpose(1, 2, 0)
        boxes, _, weights = self._cascade.detectMultiScale3(
            self._cv2.cvtColor(np.ascontiguousarray(picture), self._cv2.COLOR_BGR2GRAY),
            scaleFactor=1.05,
            minNeighbors=3,
            minSize=SMALLEST,
            outputRejectLevels=True,
        )
        rows = np.zeros((ROWS, 7), np.float32)
        rows[:, 0] = -1
        order = np.argsort(np.ravel(weights))[::-1][:ROWS]
        for row, index in zip(rows, order, strict=False):
            x, y, width, height = (int(value) for value in boxes[index])
            confidence = 1 / (1 + np.exp(STEEP * (EVEN - float(np.ravel(weights)[index]))))
            corners = np.array([x, y, x + width, y + height]) / SIDE
            row[:] = (0, FACE, confidence, *corners)
        return rows[None, None]


FACE_DETECTION = Model(
    "face-detection",
    FaceDetection,
    (TensorInfo("data", "FP32", (1, 3, SIDE, SIDE)),),
    (TensorInfo("detection_out", "FP32", (1, 1, ROWS, 7)),),
    by_name=True,
)
