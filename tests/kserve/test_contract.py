"""What is said before the first frame, by a server that has something to say."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from flowrun.errors import ContractError, DeadlineError, TransportError
from flowrun.inference import Request
from flowrun.kserve.fit import check_request
from flowrun.kserve.models.model import TensorInfo
from flowrun.kserve.transport import TRANSPORTS, open_transport
from flowrun.spec.flow import TransportSpec

LIMIT = 10.0  # seconds, a guard against hanging
METADATA = ["ServerReady", "ServerMetadata", "ModelReady", "ModelMetadata", "RepositoryIndex"]
MODES = sorted(TRANSPORTS)
Build = Callable[..., Any]


@pytest.fixture
def refused(scripted: Build, connect: Build) -> Build:
    """The whole text of the error that a flow meets at a server of these fields."""

    def text(mode: str = "unary", flow: Any = None, style: str = "plain", **server: Any) -> str:
        with pytest.raises((ContractError, TransportError)) as caught:
            connect(scripted(style, **server), mode, **(flow or {}))
        return str(caught.value)

    return text


def image(datatype: str, *shape: int) -> Any:
    return [("image", datatype, shape)]


def test_the_transport_knows_its_model(scripted: Build, connect: Build) -> None:
    model = connect(scripted("triton"), "unary").model
    assert (model.name, model.version, model.server) == ("model", "1", "triton")
    assert model.inputs == (TensorInfo("image", "UINT8", (-1, -1, 3)),)
    assert model.outputs == (TensorInfo("output", "UINT8", (-1, -1, 3)),)


@pytest.mark.parametrize("mode", MODES)
def test_nobody_listening_is_said_at_once(mode: Any) -> None:
    with socket.socket() as taken:  # bound, but not listening
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(TransportError) as caught:
            open_transport(TransportSpec(mode, (address,), "model", timeout=LIMIT))
    assert str(caught.value) == (
        f"transport.address: nothing answers at {address} (connection refused)\n"
        "  start the model server, or correct the address"
    )
    assert caught.value.code == "UNAVAILABLE"


def test_a_host_that_does_not_exist_is_said() -> None:
    with pytest.raises(TransportError) as caught:
        open_transport(TransportSpec("unary", ("nowhere.invalid:9000",), "m", timeout=LIMIT))
    assert str(caught.value) == (
        "transport.address: nothing answers at nowhere.invalid:9000 (no such host)\n"
        "  correct the host's name"
    )


@pytest.mark.parametrize("method", ["ServerReady", "ServerMetadata", "ModelMetadata", "ModelReady"])
def test_a_server_that_says_nothing_is_given_up_after_the_timeout(
    scripted: Build, connect: Build, method: str
) -> None:
    server = scripted(blocked=[method])
    with pytest.raises(DeadlineError) as caught:
        connect(server, "unary", timeout=0.2)
    assert str(caught.value) == (
        f"transport.address: nothing answers at {server.address} within 2 s\n"
        "  see whether a firewall is in the way, or the server is busy"
    )


@pytest.mark.parametrize("mode", MODES)
def test_a_server_that_implements_no_metadata_is_used_with_a_warning(
    scripted: Build, connect: Build, caplog: Any, mode: str
) -> None:
    server = scripted(unimplemented=METADATA)
    transport = connect(server, mode, input="image")
    model = transport.model
    assert (model.server, model.inputs, model.outputs) == (None, None, None)
    result = transport.submit(Request({"": np.ones((1, 1, 3), np.uint8)})).result(LIMIT)
    assert result.only.tolist() == [[[1, 1, 1]]]
    assert caplog.messages == [
        f"{server.address} does not say what its models take; the flow is not checked against it"
    ]


def test_where_the_server_does_not_name_the_input_the_flow_must(refused: Build) -> None:
    assert refused(unimplemented=METADATA) == (
        "transport.input: the server does not say what the model's input is called\n  name it"
    )


@pytest.mark.parametrize("style", ["triton", "plain"])
def test_an_unknown_model_lists_those_that_there_are_nearest_first(
    refused: Build, style: str
) -> None:
    models = ["resnet", "face", "holistic"]
    assert refused(flow={"model": "holistc"}, style=style, models=models) == (
        "transport.model: the server has no model 'holistc'\n  it has 'holistic', 'resnet', 'face'"
    )


def test_an_unknown_model_of_a_server_without_a_list_says_what_the_server_says(
    refused: Build,
) -> None:
    assert refused(flow={"model": "mdl"}, style="ovms", unimplemented=["RepositoryIndex"]) == (
        "transport.model: the server has no model 'mdl' (it says: mdl is not here)"
    )


def test_a_model_that_is_not_ready_says_why(refused: Build) -> None:
    assert refused(model_ready=False, reason="no weights") == (
        "transport.model: model 'model' is not ready (the server says: no weights)\n"
        "  wait until it is loaded, or see the server's log"
    )


def test_a_server_that_is_not_ready_for_another_model_is_used_with_a_warning(
    scripted: Build, connect: Build, caplog: Any
) -> None:
    server = scripted(server_ready=False)
    connect(server, "unary")
    assert caplog.messages == [f"{server.address} says that it is not ready"]


def test_a_server_that_is_not_ready_and_says_no_more_is_refused(refused: Build) -> None:
    assert refused(server_ready=False, unimplemented=["ModelReady"]).startswith(
        "transport.model: model 'model' is not ready"
    )


@pytest.mark.parametrize("style", ["triton", "plain"])
def test_a_wrong_version_lists_the_right_ones(refused: Build, style: str) -> None:
    assert refused(flow={"version": "3"}, versions=["1", "2"], style=style) == (
        "transport.version: model 'model' has no version '3'\n  it has '1', '2'"
    )


@pytest.mark.parametrize("style", ["ovms", "plain"])
def test_a_wrong_name_of_a_tensor_lists_the_right_ones_nearest_first(
    refused: Build, style: str
) -> None:
    tensors = [("mask", "INVALID", ()), ("output_video", "INVALID", ())]
    assert refused(flow={"input": "video"}, style=style, inputs=tensors) == (
        "transport.input: model 'model' has no input 'video'\n  it has 'output_video', 'mask'"
    )
    flow = {"output": "video", "input": "image"}
    assert refused(flow=flow, style=style, outputs=tensors) == (
        "transport.output: model 'model' has no output 'video'\n  it has 'output_video', 'mask'"
    )
    assert refused(flow={"wanted": ["video"]}, style=style, outputs=tensors).startswith(
        "transport.output: model 'model' has no output 'video'"
    )


def test_of_several_inputs_one_must_be_named(refused: Build) -> None:
    tensors = [("a", "INVALID", ()), ("b", "INVALID", ())]
    assert refused(inputs=tensors) == (
        "transport.input: model 'model' has 2 inputs; say which one takes the picture\n"
        "  it has 'a', 'b'; a preprocess hook may return a mapping to fill several"
    )


@pytest.mark.parametrize(
    ("tensor", "flow", "text"),
    [
        (
            image("FP32", -1, -1, 3),
            {},
            "transport.dtype: model 'model' takes 'image' as FP32\n  write `dtype: fp32`",
        ),
        (
            image("BOOL", -1, -1, 3),
            {},
            "transport.dtype: model 'model' takes 'image' as BOOL\n"
            "  a preprocess hook must make that",
        ),
        (
            image("BYTES", -1),
            {},
            "transport.dtype: model 'model' takes 'image' as BYTES\n"
            "  write `encoding: jpeg`, if it decodes pictures",
        ),
        (
            image("UINT8", -1, -1, -1, 3),
            {},
            "transport.batch: model 'model' takes 'image' in the shape [-1, -1, -1, 3], but"
            " `batch: false` sends 3 dimensions\n  write `batch: true`",
        ),
        (
            image("UINT8", -1, -1, 3),
            {"batch": True},
            "transport.batch: model 'model' takes 'image' in the shape [-1, -1, 3], but"
            " `batch: true` sends 4 dimensions\n  write `batch: false`",
        ),
        (
            image("UINT8", 8, -1, -1, 3),
            {"batch": True},
            "transport.batch: model 'model' takes 'image' in the shape [8, -1, -1, 3], but"
            " pictures are sent one by one",
        ),
        (
            image("UINT8", 3, 300, 300),
            {},
            "transport.layout: model 'model' takes 'image' in the shape [3, 300, 300], which is"
            " CHW\n  write `layout: CHW`",
        ),
        (
            image("UINT8", 1, -1, -1, 3),
            {"batch": True, "layout": "CHW"},
            "transport.layout: model 'model' takes 'image' in the shape [1, -1, -1, 3], which is"
            " HWC\n  write `layout: HWC`",
        ),
        (
            image("UINT8", -1, -1, 1),
            {},
            "transport.input: model 'model' takes 'image' in the shape [-1, -1, 1], which is no"
            " picture of 3 channels\n  a preprocess hook must make it from the picture",
        ),
        (
            image("UINT8", 1, 10),
            {},
            "transport.input: model 'model' takes 'image' in the shape [1, 10], which is no"
            " picture of 3 channels\n  a preprocess hook must make it from the picture",
        ),
        (
            image("UINT8", -1, -1, 3),
            {"encoding": "jpeg"},
            "transport.encoding: model 'model' takes 'image' as UINT8, and its server does not"
            " decode jpeg\n  write `encoding: raw`",
        ),
    ],
)
def test_a_picture_that_does_not_fit_says_what_to_write(
    refused: Build, tensor: Any, flow: Any, text: str
) -> None:
    assert refused(flow=flow, inputs=tensor) == text


@pytest.mark.parametrize(
    ("style", "tensor", "flow"),
    [
        ("ovms", image("INVALID"), {}),
        ("plain", image("UINT8"), {}),
        ("triton", image("UINT8", -1, -1, -1), {}),
        ("triton", image("UINT8", -1, 480, 640, 3), {"batch": True}),
        ("ovms", image("FP32", 1, 3, 300, 300), {"batch": True, "layout": "CHW", "dtype": "fp32"}),
        ("ovms", image("FP32", 1, 704, 704, 3), {"encoding": "jpeg"}),
        ("triton", image("BYTES", -1), {"encoding": "jpeg"}),
    ],
)
def test_a_picture_that_may_fit_is_let_through(
    scripted: Build, connect: Build, style: str, tensor: Any, flow: Any
) -> None:
    connect(scripted(style, inputs=tensor), "unary", **flow)


def test_what_hooks_will_make_is_not_guessed(scripted: Build, connect: Build) -> None:
    server = scripted(inputs=image("FP32", 1, 10))
    connect(server, "unary", pictures=False)


@pytest.mark.parametrize(
    ("style", "correlation"),
    [("ovms", "id"), ("mlserver", "id"), ("triton", "timestamp"), ("mlserver", "timestamp")],
)
def test_a_correlation_that_the_server_does_not_have_is_refused(
    refused: Build, style: str, correlation: str
) -> None:
    text = refused("stream", {"correlation": correlation}, style)
    assert text.startswith("transport.correlation: ")
    assert text.endswith("in a stream\n  write `correlation: auto`")


def test_the_first_request_can_be_compared_too(scripted: Build, connect: Build) -> None:
    model = connect(scripted(inputs=image("UINT8", 1, 300, 300, 3)), "unary", pictures=False).model
    check_request(model, {"image": np.zeros((1, 300, 300, 3), np.uint8)})
    with pytest.raises(ContractError) as caught:
        check_request(model, {"image": np.zeros((1, 720, 1280, 3), np.uint8)})
    assert str(caught.value) == (
        "transport.input: model 'model' takes 'image' in the shape [1, 300, 300, 3], but it is sent"
        " [1, 720, 1280, 3]\n"
        "  a preprocess hook can resize; see also `transport.layout` and `transport.batch`"
    )
    with pytest.raises(ContractError) as caught:
        check_request(model, {"image": np.zeros((1, 300, 300, 3), np.float32)})
    assert str(caught.value) == (
        "transport.dtype: model 'model' takes 'image' as UINT8, but it is sent FP32"
    )
    with pytest.raises(ContractError) as caught:
        check_request(model, {"frame": np.zeros((1, 300, 300, 3), np.uint8)})
    assert str(caught.value) == (
        "transport.input: model 'model' has no input 'frame'\n  it has 'image'"
    )


@pytest.mark.parametrize("mode", MODES)
def test_a_first_request_that_does_not_fit_is_not_sent(
    scripted: Build, connect: Build, mode: str
) -> None:
    server = scripted(inputs=image("UINT8", 300, 300, 3))
    transport = connect(server, mode)
    wrong, right = np.zeros((720, 1280, 3), np.uint8), np.zeros((300, 300, 3), np.uint8)
    error = transport.submit(Request({"": wrong})).exception(LIMIT)
    assert isinstance(error, ContractError)
    assert error.key == "transport.input"
    assert transport.submit(Request({"": right})).result(LIMIT) is not None
    assert len(server.requests) == 1


@pytest.mark.parametrize("mode", MODES)
def test_a_refusal_leaves_no_thread(refused: Build, threads: Build, mode: str) -> None:
    refused(mode, {"model": "mdl"})
    assert threads() == []
