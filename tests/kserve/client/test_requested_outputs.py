"""Only the outputs that the flow reads are requested."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from flowrun.chain.tensors import to_picture
from flowrun.inference import Request, Result, TensorInfo
from flowrun.kserve.connect import open_transport
from flowrun.kserve.server.embedded import EmbeddedServer
from flowrun.kserve.server.models import Model
from flowrun.spec.flow import TransportSpec

LIMIT = 10.0  # seconds, a guard against hanging
MODES = ["unary", "stream"]
PICTURE = np.ones((2, 3, 3), np.uint8)
ONE = [("image", "UINT8", (-1, -1, 3))]
TWO = [*ONE, ("mask", "UINT8", (-1, -1, 3))]
Build = Callable[..., Any]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("reads", "flow", "style", "outputs", "named"),
    [
        (None, {"outputs": ("mask",)}, "triton", TWO, ["mask"]),
        (None, {"outputs": ("mask", "image")}, "triton", TWO, ["mask", "image"]),
        (None, {"outputs": ("mask",)}, "ovms", TWO, ["mask"]),
        (None, {}, "triton", TWO, []),
        (None, {"output": "image"}, "triton", TWO, []),  # a hook may read the other one
        (("mask",), {}, "triton", TWO, ["mask"]),
        (("mask", "other", "image"), {}, "triton", TWO, ["image", "mask"]),
        (("mask",), {"outputs": ("image",)}, "triton", TWO, ["image"]),
        (("image",), {}, "triton", ONE, []),
        (("mask",), {}, "ovms", TWO, []),
        (("other",), {}, "triton", TWO, []),  # the hook reports what is missing
        ((), {}, "triton", TWO, []),
        ("shown", {"output": "image"}, "triton", TWO, ["image"]),
        ("shown", {"output": "image"}, "triton", ONE, []),
        ("shown", {"output": "image"}, "ovms", TWO, []),
        ("shown", {}, "triton", ONE, []),
    ],
)
def test_a_request_names_the_outputs_that_somebody_reads(
    scripted: Build,
    connect: Build,
    mode: str,
    reads: Any,
    flow: dict[str, Any],
    style: str,
    outputs: Any,
    named: list[str],
) -> None:
    server = scripted(style, outputs=outputs)
    shown = reads == "shown"
    transport = connect(server, mode, shown=shown, reads=None if shown else reads, **flow)
    transport.submit(Request({"": PICTURE})).result(LIMIT)
    (request,) = server.requests
    assert [each.name for each in request.outputs] == named


@pytest.mark.parametrize("mode", MODES)
def test_a_result_has_the_requested_outputs_only(mode: Any) -> None:
    outputs = (TensorInfo("a", "UINT8", (-1, -1, 3)), TensorInfo("b", "UINT8", (-1, -1, 3)))

    def infer(image: Any) -> Any:
        return {"a": image, "b": image + 1}

    two = Model("two", lambda: infer, (TensorInfo("image", "UINT8", (-1, -1, 3)),), outputs)
    with EmbeddedServer({"two": two}) as server:
        spec = TransportSpec(mode, (server.address,), "two", outputs=("b",))
        transport = open_transport(spec)
        result = transport.submit(Request({"": PICTURE})).result(LIMIT)
        transport.close()
    assert result is not None
    assert result.only.tolist() == (PICTURE + 1).tolist()


def test_the_only_requested_output_is_the_picture() -> None:
    spec = TransportSpec("unary", ("h:1",), "m", outputs=("mask",))
    result = Result({"image": PICTURE, "mask": PICTURE * 2})  # the server has sent both
    assert to_picture(result, spec).tolist() == (PICTURE * 2).tolist()
