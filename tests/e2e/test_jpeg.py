"""`encoding: jpeg` against a real Triton, whose model decodes it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from flowrun.chain.tensors import to_request
from flowrun.kserve.wire.requests import pieces
from flowrun.media.sources import make_source
from flowrun.spec.flow import SourceSpec, TransportSpec

FRAMES = 20


def sent(recording: Path, encoding: Any) -> int:
    """Bytes of the requests for all frames of a recording."""
    spec = TransportSpec("unary", ("h:1",), "decode", input="image", encoding=encoding)
    with closing(make_source(SourceSpec(str(recording)))) as source:
        source.open()
        requests = (to_request(frame.image, spec, "rgb").inputs for frame in source)
        messages = (pieces("decode", None, "1", inputs, {}) for inputs in requests)
        return sum(len(piece) for message in messages for piece in message)


@pytest.mark.parametrize(("mode", "color"), [("unary", "rgb"), ("stream", "bgr")])
def test_a_jpeg_takes_less_than_a_fifth_of_the_bytes_and_looks_the_same(
    triton_address: str,
    clip: Any,
    flow: Any,
    flowrun: Any,
    finished: Any,
    psnr: Any,
    mode: str,
    color: str,
) -> None:
    recording = clip("640x360", FRAMES)
    folder = Path(flow().parent)
    (folder / "turned.py").write_text(
        "def bgr(frame, result): return result.as_numpy('output')[:, :, ::-1].copy()\n"
    )
    for encoding, model in {"raw": "identity", "jpeg": "decode"}.items():
        turned = encoding == "jpeg" and color == "bgr"  # the model answers RGB
        path = flow(
            source=f"{{uri: '{recording}', color: {color}}}",
            transport=f"{{mode: {mode}, address: '{triton_address}', model: {model},"
            f" encoding: {encoding}}}",
            postprocess="[turned:bgr]" if turned else "[]",
            sink=f"{encoding}.mkv",
            limits=None,
        )
        checked = flowrun("validate", "--live", path)
        assert (checked.returncode, checked.stdout) == (0, "1 flow checked: no problems\n")
        assert finished(path)["delivered"] == FRAMES
    assert psnr(folder / "raw.mkv", folder / "jpeg.mkv") > 30
    assert sent(recording, "jpeg") < sent(recording, "raw") / 5


def test_a_model_for_compressed_pictures_is_reported_as_one(
    triton_address: str, flow: Any, refused: Any
) -> None:
    path = flow(transport=f"{{mode: unary, address: '{triton_address}', model: decode}}")
    text = (
        "flow.yaml:3:1: error: transport.encoding: model 'decode' expects 'image' as BYTES [1],"
        " but the flow sends UINT8 [48, 64, 3]\n"
        f"    transport: {{mode: unary, address: '{triton_address}', model: decode}}\n"
        "    ^\n"
        "    if it decodes pictures, write under `transport`:\n"
        "      encoding: jpeg\n"
    )
    refused(path, text)


def test_a_decoupled_model_requires_a_stream(triton_address: str, flow: Any, refused: Any) -> None:
    path = flow(transport=f"{{mode: unary, address: '{triton_address}', model: repeat}}")
    text = (
        "flow.yaml:3:19: error: transport.mode: model 'repeat' is decoupled: it sends any number"
        " of responses, which needs a stream\n"
        f"    transport: {{mode: unary, address: '{triton_address}', model: repeat}}\n"
        "                      ^\n"
        "    write under `transport`:\n"
        "      mode: stream\n"
    )
    refused(path, text)
