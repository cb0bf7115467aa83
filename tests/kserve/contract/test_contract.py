"""Checks before the first frame, against a scripted server."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from flowrun.chain.tensors import to_request
from flowrun.errors import ContractError, DeadlineError, TransportError
from flowrun.inference import Request, TensorInfo
from flowrun.kserve.client import metadata_calls
from flowrun.kserve.connect import TRANSPORTS, open_transport
from flowrun.kserve.contract.compare import mismatches
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


def picture(**transport: Any) -> Request:
    """What a flow with these keys sends of a picture of 64x48."""
    spec = TransportSpec("unary", ("h:1",), "model", **transport)
    return to_request(np.zeros((48, 64, 3), np.uint8), spec, "rgb")


def test_the_transport_knows_its_model(scripted: Build, connect: Build) -> None:
    model = connect(scripted("triton"), "unary").model
    assert (model.name, model.version, model.server) == ("model", "1", "triton")
    assert model.inputs == (TensorInfo("image", "UINT8", (-1, -1, 3)),)
    assert model.outputs == (TensorInfo("output", "UINT8", (-1, -1, 3)),)


@pytest.mark.parametrize("mode", MODES)
def test_a_refused_connection_is_reported_at_once(mode: Any) -> None:
    with socket.socket() as taken:  # bound, but not listening
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(TransportError) as caught:
            open_transport(TransportSpec(mode, (address,), "model", timeout=LIMIT))
    assert str(caught.value) == (
        f"transport.address: cannot connect to {address} (connection refused)\n"
        "  start the model server, or correct the address"
    )
    assert caught.value.code == "UNAVAILABLE"


def test_of_many_addresses_two_are_named() -> None:
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(4)]
        for each in taken:  # bound, but not listening
            each.bind(("127.0.0.1", 0))
        addresses = tuple(f"127.0.0.1:{each.getsockname()[1]}" for each in taken)
        with pytest.raises(TransportError) as caught:
            open_transport(TransportSpec("unary", addresses, "model", timeout=LIMIT))
    assert caught.value.message == (
        f"cannot connect to {addresses[0]}, {addresses[1]} and 2 more (connection refused)"
    )


def test_a_host_that_does_not_exist_is_reported() -> None:
    with pytest.raises(TransportError) as caught:
        open_transport(TransportSpec("unary", ("nowhere.invalid:9000",), "m", timeout=LIMIT))
    assert str(caught.value) == (
        "transport.address: cannot connect to nowhere.invalid:9000 (no such host)\n"
        "  correct the host name"
    )


@pytest.mark.parametrize(
    ("method", "least"),
    [("ServerReady", 2), ("ServerMetadata", 0.2), ("ModelMetadata", 0.2), ("ModelReady", 0.2)],
)
def test_a_server_that_does_not_respond_fails_after_the_timeout(
    scripted: Build, connect: Build, monkeypatch: pytest.MonkeyPatch, method: str, least: float
) -> None:
    if method != "ServerReady":  # which shows the default
        monkeypatch.setattr(metadata_calls, "MIN_TIMEOUT", least)
    server = scripted(blocked=[method])
    with pytest.raises(DeadlineError) as caught:
        connect(server, "unary", timeout=0.2)
    assert str(caught.value) == (
        f"transport.address: no response from {server.address} within {least:g} s\n"
        "  check whether a firewall blocks the port, or the server is overloaded"
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
        f"the server at {server.address} has no model metadata; the flow is not checked against it"
    ]


def test_an_input_that_the_server_does_not_report_must_be_in_the_flow(refused: Build) -> None:
    assert refused(flow={"sample": picture()}, unimplemented=METADATA) == (
        "transport.input: the server does not report the name of the model's input\n"
        "  write the name as `input` under `transport`"
    )


@pytest.mark.parametrize("style", ["triton", "plain"])
def test_an_unknown_model_lists_the_existing_ones_most_similar_first(
    refused: Build, style: str
) -> None:
    models = ["resnet", "face", "holistic"]
    assert refused(flow={"model": "holistc"}, style=style, models=models) == (
        "transport.model: the server has no model 'holistc'\n"
        "  it has 'holistic', 'resnet', 'face'\n"
        "  write under `transport`:\n"
        "    model: holistic"
    )


def test_an_unknown_model_of_a_server_without_a_list_quotes_the_server(
    refused: Build,
) -> None:
    assert refused(flow={"model": "mdl"}, style="ovms", unimplemented=["RepositoryIndex"]) == (
        "transport.model: the server has no model 'mdl' (it reports: mdl is not here)"
    )


def test_a_model_that_is_not_ready_has_a_reason(refused: Build) -> None:
    assert refused(model_ready=False, reason="no weights") == (
        "transport.model: model 'model' is not ready (the server reports: no weights)\n"
        "  wait until it is loaded, or see the server's log"
    )


def test_a_server_that_is_not_ready_for_another_model_is_used_with_a_warning(
    scripted: Build, connect: Build, caplog: Any
) -> None:
    server = scripted(server_ready=False)
    connect(server, "unary")
    assert caplog.messages == [f"the server at {server.address} reports that it is not ready"]


def test_a_server_that_is_not_ready_and_does_not_know_models_is_refused(refused: Build) -> None:
    assert refused(server_ready=False, unimplemented=["ModelReady"]).startswith(
        "transport.model: model 'model' is not ready"
    )


@pytest.mark.parametrize("style", ["triton", "plain"])
def test_a_wrong_version_lists_the_right_ones(refused: Build, style: str) -> None:
    assert refused(flow={"version": "3"}, versions=["1", "2"], style=style) == (
        "transport.version: model 'model' has no version '3'\n  it has '1', '2'"
    )


@pytest.mark.parametrize("style", ["ovms", "plain"])
def test_a_wrong_name_of_a_tensor_lists_the_right_ones_most_similar_first(
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


def test_of_several_inputs_one_must_be_named(refused: Build) -> None:
    tensors = [("a", "INVALID", ()), ("b", "INVALID", ())]
    assert refused(flow={"sample": picture()}, inputs=tensors) == (
        "transport.input: model 'model' has 2 inputs; choose the one for the picture\n"
        "  it has 'a', 'b'; a preprocess hook may return a mapping to fill several"
    )


@pytest.mark.parametrize(
    ("tensor", "flow", "key", "says"),
    [
        (
            image("FP32", -1, -1, 3),
            {},
            "dtype",
            "FP32 [-1, -1, 3], but the flow sends UINT8 [48, 64, 3]\n"
            "  write under `transport`:\n"
            "    dtype: fp32",
        ),
        (
            image("FP32"),
            {},
            "dtype",
            "FP32 of any shape, but the flow sends UINT8 [48, 64, 3]\n"
            "  write under `transport`:\n"
            "    dtype: fp32",
        ),
        (
            image("UINT8", -1, -1, -1, 3),
            {},
            "batch",
            "UINT8 [-1, -1, -1, 3], but the flow sends UINT8 [48, 64, 3]\n"
            "  write under `transport`:\n"
            "    batch: true",
        ),
        (
            image("UINT8", -1, -1, 3),
            {"batch": True},
            "batch",
            "UINT8 [-1, -1, 3], but the flow sends UINT8 [1, 48, 64, 3]\n"
            "  write under `transport`:\n"
            "    batch: false",
        ),
        (
            image("UINT8", 3, -1, -1),
            {},
            "layout",
            "UINT8 [3, -1, -1], but the flow sends UINT8 [48, 64, 3]\n"
            "  write under `transport`:\n"
            "    layout: CHW",
        ),
        (
            image("UINT8", 1, -1, -1, 3),
            {"batch": True, "layout": "CHW"},
            "layout",
            "UINT8 [1, -1, -1, 3], but the flow sends UINT8 [1, 3, 48, 64]\n"
            "  write under `transport`:\n"
            "    layout: HWC",
        ),
        (
            image("UINT8", 300, 300, 3),
            {},
            "input",
            "UINT8 [300, 300, 3], but the flow sends UINT8 [48, 64, 3]\n"
            "  write as the last item of `preprocess`:\n"
            "    - hook: flowrun.hooks.resize:resize\n"
            "      with: {size: 300x300}",
        ),
        (
            image("FP32", 1, 3, 300, 480),
            {},
            "dtype",
            "FP32 [1, 3, 300, 480], but the flow sends UINT8 [48, 64, 3]\n"
            "  write under `transport`:\n"
            "    dtype: fp32\n"
            "    layout: CHW\n"
            "    batch: true\n"
            "  and as the last item of `preprocess`:\n"
            "    - hook: flowrun.hooks.resize:resize\n"
            "      with: {size: 480x300}",
        ),
        (
            image("BYTES", -1),
            {"dtype": "fp32"},
            "encoding",
            "BYTES [-1], but the flow sends FP32 [48, 64, 3]\n"
            "  if it decodes pictures, write under `transport`:\n"
            "    encoding: jpeg\n"
            "    dtype: uint8",
        ),
        (
            image("FP32", -1, -1, 3),
            {"encoding": "jpeg"},
            "encoding",
            "FP32 [-1, -1, 3], but the flow sends BYTES [1]\n"
            "  write under `transport`:\n"
            "    encoding: raw\n"
            "    dtype: fp32",
        ),
        *(
            (
                image(datatype, *shape),
                {},
                "input",
                f"{datatype} {list(shape)}, but the flow sends UINT8 [48, 64, 3], and no picture"
                f" of 3"
                " channels fits\n  let a preprocess hook return what the model expects",
            )
            for datatype, shape in [
                ("UINT8", (1, -1, -1)),
                ("BOOL", (-1, -1, 3)),
                ("UINT8", (-1, -1, 1)),
                ("UINT8", (1, 10)),
                ("UINT8", (8, -1, -1, 3)),
                ("BYTES", (-1, 1)),
            ]
        ),
    ],
)
def test_a_picture_that_does_not_fit_gets_one_complete_suggestion(
    refused: Build, tensor: Any, flow: Any, key: str, says: str
) -> None:
    text = refused(flow={"sample": picture(**flow), **flow}, inputs=tensor)
    assert text == f"transport.{key}: model 'model' expects 'image' as {says}"


def test_ovms_decodes_jpeg_only_for_inputs_with_a_batch_and_the_channels_last(
    refused: Build,
) -> None:
    flow = {"encoding": "jpeg"}
    text = refused(
        flow={"sample": picture(**flow), **flow}, style="ovms", inputs=image("FP32", 1, 3, -1, -1)
    )
    assert text == (
        "transport.encoding: model 'model' expects 'image' as FP32 [1, 3, -1, -1], but the flow"
        " sends"
        " BYTES [1]\n"
        "  write under `transport`:\n"
        "    encoding: raw\n"
        "    dtype: fp32\n"
        "    layout: CHW\n"
        "    batch: true"
    )


@pytest.mark.parametrize(
    ("style", "tensor", "flow"),
    [
        ("ovms", image("INVALID"), {}),
        ("plain", image("UINT8"), {}),
        ("triton", image("UINT8", -1, -1, -1), {}),
        ("triton", image("UINT8", -1, 48, 64, 3), {"batch": True}),
        ("ovms", image("FP32", 1, 3, 48, 64), {"batch": True, "layout": "CHW", "dtype": "fp32"}),
        ("ovms", image("FP32", 1, 704, 704, 3), {"encoding": "jpeg"}),
        ("flowrun", image("UINT8", -1, -1, 3), {"encoding": "jpeg"}),
        ("triton", image("BYTES", -1), {"encoding": "jpeg"}),
    ],
)
def test_a_picture_that_fits_is_accepted(
    scripted: Build, connect: Build, style: str, tensor: Any, flow: Any
) -> None:
    connect(scripted(style, inputs=tensor), "unary", sample=picture(**flow), **flow)


@pytest.mark.parametrize(
    ("outputs", "flow", "text"),
    [
        (
            [("boxes", "FP32", (1, 1, 200, 7))],
            {},
            "transport.output: model 'model' returns 'boxes' as FP32 [1, 1, 200, 7], which is not a"
            " picture\n  use a postprocess hook to make a picture from it",
        ),
        (
            [("a", "INVALID", ()), ("b", "INVALID", ())],
            {},
            "transport.output: model 'model' has 2 outputs; choose the one that is the picture\n"
            "  it has 'a', 'b'; or: use a postprocess hook to make a picture from it",
        ),
        (
            [("a", "UINT8", (-1, -1, 3)), ("b", "INT64", (-1, -1, 3))],
            {"output": "b"},
            "transport.output: model 'model' returns 'b' as INT64 [-1, -1, 3], which is not a"
            " picture\n  use a postprocess hook to make a picture from it",
        ),
    ],
)
def test_an_output_without_a_hook_must_be_a_picture(
    scripted: Build, connect: Build, refused: Build, outputs: Any, flow: Any, text: str
) -> None:
    assert refused(flow={"shown": True, **flow}, outputs=outputs) == text
    connect(scripted(outputs=outputs), "unary", **flow)  # a hook takes it as it is


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1), (4, 6, 3), (1, 4, 6, 3), (-1, -1, -1, -1)])
@pytest.mark.parametrize("datatype", ["UINT8", "FP32"])
def test_an_output_that_may_be_a_picture_is_one(
    scripted: Build, connect: Build, datatype: str, shape: tuple[int, ...]
) -> None:
    connect(scripted(outputs=[("output", datatype, shape)]), "unary", shown=True)


def test_a_plain_model_of_ovms_cannot_be_streamed(refused: Build) -> None:
    assert refused("stream", style="ovms", inputs=image("UINT8", -1, -1, 3)) == (
        "transport.mode: model 'model' is not a MediaPipe graph, and OpenVINO Model Server streams"
        " only those\n"
        "  write under `transport`:\n"
        "    mode: unary"
    )


def test_a_decoupled_model_cannot_be_called(scripted: Build, connect: Build) -> None:
    server = scripted("triton", decoupled=True)
    connect(server, "stream")
    with pytest.raises(ContractError) as caught:
        connect([server, server], "unary")
    assert str(caught.value) == (
        "transport.mode: model 'model' is decoupled: it sends any number of responses, which needs"
        " a stream\n"
        "  write under `transport`:\n"
        "    mode: stream\n"
        f'    address: "{server.address}"'
    )


@pytest.mark.parametrize(
    ("style", "correlation"),
    [("ovms", "id"), ("mlserver", "id"), ("triton", "timestamp"), ("mlserver", "timestamp")],
)
def test_a_correlation_that_the_server_does_not_have_is_refused(
    refused: Build, style: str, correlation: str
) -> None:
    text = refused("stream", {"correlation": correlation}, style)
    assert text.startswith("transport.correlation: ")
    assert text.endswith("in a stream\n  write under `transport`:\n    correlation: auto")


@pytest.mark.parametrize("style", ["ovms", "flowrun"])
def test_an_omitted_input_is_named_where_the_server_requires_all(
    scripted: Build, connect: Build, style: str
) -> None:
    inputs = [("image", "UINT8", (-1, -1, 3)), ("info", "FP32", (2,))]
    server = scripted(style, inputs=inputs)
    with pytest.raises(ContractError) as caught:
        connect(server, "unary", input="image", sample=picture(input="image"))
    assert str(caught.value) == (
        "transport.input: model 'model' also needs 'info', which is not sent\n"
        "  let the last preprocess hook return a mapping of all inputs by name"
    )
    both = Request({"image": np.zeros((2, 2, 3), np.uint8), "info": np.zeros(2, np.float32)})
    connect(server, "unary", input="image", sample=both)
    connect(
        scripted("triton", inputs=inputs), "unary", input="image", sample=picture(input="image")
    )


def test_a_graph_in_a_stream_takes_its_inputs_one_by_one(scripted: Build, connect: Build) -> None:
    server = scripted("ovms", inputs=[("a", "INVALID", ()), ("b", "INVALID", ())])
    connect(server, "stream", input="a", sample=picture(input="a"))
    with pytest.raises(ContractError, match="also needs 'b'"):
        connect(server, "unary", input="a", sample=picture(input="a"))


def test_a_wrong_name_is_reported_once_also_for_a_tensor_of_a_hook(
    scripted: Build, connect: Build
) -> None:
    model = connect(scripted("triton"), "unary").model
    spec = TransportSpec("unary", ("h:1",), "model", input="date")
    request = Request({"": np.zeros(3, np.float32)}, made_by="preprocess[0]")
    assert [error.key for error in mismatches(model, spec, request)] == [
        "transport.input",  # the name
        "preprocess[0]",  # the tensor
    ]


def test_a_mismatch_of_a_tensor_of_a_hook_names_the_hook(scripted: Build, connect: Build) -> None:
    server = scripted(inputs=image("UINT8", 1, 300, 300, 3))
    transport = connect(server, "unary")

    def said(**tensors: Any) -> str:
        request = Request(tensors, made_by="preprocess[1]")
        return str(transport.submit(request).exception(LIMIT))

    assert said(image=np.zeros((1, 720, 1280, 3), np.float32)) == (
        "preprocess[1]: model 'model' expects 'image' as UINT8 [1, 300, 300, 3], but the flow"
        " sends FP32"
        " [1, 720, 1280, 3]\n"
        "  let this hook return what the model expects"
    )
    assert said(frame=np.zeros((1, 300, 300, 3), np.uint8)) == (
        "preprocess[1]: model 'model' has no input 'frame'\n  it has 'image'"
    )
    assert server.requests == []
    assert said(image=np.zeros((1, 300, 300, 3), np.uint8)) == "None"


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


@pytest.mark.parametrize(
    ("flow", "text"),
    [
        (
            {"outputs": ("a", "bb")},
            "transport.outputs[1]: model 'model' has no output 'bb'\n  it has 'b', 'a'",
        ),
        (
            {"output": "b", "outputs": ("a",)},
            "transport.output: 'b' is not among `transport.outputs`\n"
            "  add it to `outputs`, which has all outputs that are requested",
        ),
    ],
)
def test_requested_outputs_exist(refused: Build, flow: Any, text: str) -> None:
    outputs = [("a", "INVALID", ()), ("b", "INVALID", ())]
    assert refused(flow=flow, outputs=outputs) == text


def test_the_picture_is_chosen_among_the_requested_outputs(scripted: Build, connect: Build) -> None:
    outputs = [("boxes", "FP32", (1, 1, 200, 7)), ("mask", "UINT8", (-1, -1, 3))]
    connect(scripted(outputs=outputs), "unary", shown=True, outputs=("mask",))
