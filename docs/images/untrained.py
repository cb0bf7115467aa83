"""A model in OpenVINO's format for flows/normalized_unary.yaml. It is not trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino
from openvino import opset13 as ops

CLASSES = 10


def save(path: Path) -> None:
    """Save a model from `data` FP32 (1, 3, 224, 224) to `logits` FP32 (1, 10).

    The logits are the means of the three channels times a fixed matrix.
    """
    data = ops.parameter([1, 3, 224, 224], openvino.Type.f32, name="data")
    means = ops.reduce_mean(data, ops.constant(np.array([2, 3], np.int64)))
    matrix = np.random.default_rng(1).normal(scale=3, size=(3, CLASSES)).astype(np.float32)
    logits = ops.matmul(means, ops.constant(matrix), False, False)
    data.output(0).set_names({"data"})
    logits.output(0).set_names({"logits"})
    openvino.save_model(openvino.Model([ops.result(logits, name="logits")], [data]), path)
