"""Models of other signatures in whole runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HOOKS = """
def classify(frame, result):
    return frame.attach(kind=int(result.as_numpy("gpu_0/softmax_1").argmax()))

def mean(frame):
    return frame.attach(mean=int(frame.image.mean()))
"""


def test_a_flow_may_name_the_file_of_its_model(
    finished: Any, flow: Any, openvino_models: Path, tmp_path: Path
) -> None:
    (tmp_path / "looks.py").write_text(HOOKS)
    path = openvino_models / "resnet.xml"
    finished(
        flow(
            source="test:224x224@30",
            preprocess="['looks:mean']",
            transport=f"{{mode: unary, address: embedded, model: '{path}', batch: true}}",
            postprocess="['looks:classify']",
            sink="said.jsonl",
            limits="{frames: 5}",
        )
    )
    said = [json.loads(line) for line in (tmp_path / "said.jsonl").read_text().splitlines()]
    assert len(said) == 5
    assert [line["data"]["kind"] for line in said] == [line["data"]["mean"] for line in said]
