"""The embedded server, tested with tritonclient and with the raw protocol."""

from __future__ import annotations

import contextlib
import functools
import itertools
import queue
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
import pytest
import tritonclient.grpc as triton
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc as stubs
from tritonclient.utils import InferenceServerException

from flowrun.errors import RunError, UsageError
from flowrun.inference import TensorInfo
from flowrun.kserve.server.embedded import CALLS, EmbeddedServer, serve
from flowrun.kserve.server.models import MODELS, Model
from flowrun.kserve.server.models.registry import ISOLATED

LIMIT = 10.0  # seconds, a guard against hanging
TIMESTAMP = "OVMS_MP_TIMESTAMP"
IMAGE = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


def model(name: str, make: Callable[[], Any], *outputs: str) -> Model:
    return Model(
        name,
        make,
        (TensorInfo("image", "UINT8", (-1, -1, 3)),),
        tuple(TensorInfo(output) for output in outputs or ("output",)),
    )


class Count:
    """Adds to the image how many images it has seen."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, image: npt.NDArray[np.uint8]) -> Any:
        self.seen += 1
        return image + np.uint8(self.seen)


class Broken:
    def __init__(self) -> None:
        raise OSError("no weights")

    def __call__(self, image: npt.NDArray[np.uint8]) -> Any: ...


def unlucky(image: npt.NDArray[np.uint8]) -> Any:
    if image.max() > 100:
        raise ValueError("too bright")
    return image


def interrupted(image: npt.NDArray[np.uint8]) -> Any:
    raise KeyboardInterrupt("no \x1b[2J\nline")


TEST_MODELS = MODELS | {
    each.name: each
    for each in [
        model("count", Count),
        model("broken", Broken),
        model("unlucky", lambda: unlucky),
        model("exit", lambda: lambda image: sys.exit(3)),
        model("interrupted", lambda: interrupted),
        model("strange", lambda: lambda image: {5: image}),
        model("silent", lambda: lambda image: None if image.max() > 100 else image),
        model("list", lambda: lambda image: image.tolist()),
        model(
            "boxes",
            lambda: (
                lambda image: {
                    "boxes": np.ones((2, 4), np.float32),
                    "labels": np.array([b"cat", b""], dtype=object),
                    "flipped": image[::-1],
                }
            ),
            "boxes",
            "labels",
            "flipped",
        ),
    ]
}


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with EmbeddedServer(TEST_MODELS) as server:
        yield server


@pytest.fixture
def client(server: EmbeddedServer) -> Iterator[Any]:
    with triton.InferenceServerClient(server.address) as client:
        yield client


@pytest.fixture
def stub(server: EmbeddedServer) -> Iterator[Any]:
    with grpc.insecure_channel(server.address) as channel:
        yield stubs.GRPCInferenceServiceStub(channel)


def tensor(image: npt.NDArray[np.uint8] = IMAGE) -> list[Any]:
    given = triton.InferInput("image", image.shape, "UINT8")
    given.set_data_from_numpy(image)
    return [given]


def request(
    model_name: str = "identity",
    image: npt.NDArray[np.uint8] = IMAGE,
    *,
    id: str = "",  # noqa: A002 - as in the protocol
    timestamp: int | None = None,
) -> Any:
    message = pb.ModelInferRequest(model_name=model_name, id=id)
    message.inputs.add(name="image", datatype="UINT8", shape=image.shape)
    message.raw_input_contents.append(image.tobytes())
    if timestamp is not None:
        message.parameters[TIMESTAMP].int64_param = timestamp
    return message


def streamed(stub: Any, *requests: Any) -> list[Any]:
    return list(stub.ModelStreamInfer(iter(requests), timeout=LIMIT))


def timestamps(messages: list[Any]) -> list[int]:
    return [each.infer_response.parameters[TIMESTAMP].int64_param for each in messages]


def pixels(message: Any) -> Any:
    return np.frombuffer(message.infer_response.raw_output_contents[0], np.uint8)


def failure(call: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code().name, caught.value.details() or ""


# Health and metadata


def test_it_reports_its_health_name_and_models(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("edges")
    assert client.is_model_ready("edges", "1")
    assert client.get_server_metadata(as_json=True) == {"name": "flowrun", "version": "1"}
    index = client.get_model_repository_index(as_json=True)["models"]
    assert index[0] == {"name": "identity", "version": "1", "state": "READY"}
    assert [each["name"] for each in index] == list(TEST_MODELS)


def test_a_built_in_model_declares_images(client: Any) -> None:
    image = {"datatype": "UINT8", "shape": ["-1", "-1", "3"]}
    assert client.get_model_metadata("edges", as_json=True) == {
        "name": "edges",
        "versions": ["1"],
        "platform": "flowrun",
        "inputs": [{"name": "image", **image}],
        "outputs": [{"name": "output", **image}],
    }


def test_undeclared_outputs_have_names_only(client: Any) -> None:
    metadata = client.get_model_metadata("boxes", as_json=True)
    assert metadata["outputs"] == [
        {"name": name, "datatype": "INVALID"} for name in ("boxes", "labels", "flipped")
    ]


@pytest.mark.parametrize("call", ["is_model_ready", "get_model_metadata"])
def test_an_unknown_model_or_version_is_not_found(client: Any, call: str) -> None:
    served = ", ".join(map(repr, TEST_MODELS))
    with pytest.raises(InferenceServerException) as caught:
        getattr(client, call)("edgse")
    assert caught.value.status() == "StatusCode.NOT_FOUND"
    assert caught.value.message() == f"there is no model 'edgse'; this server has {served}"
    with pytest.raises(InferenceServerException) as caught:
        getattr(client, call)("edges", "2")
    assert caught.value.message() == "model 'edges' has no version '2', only '1'"


def test_an_unsupported_call_is_unimplemented(stub: Any) -> None:
    code, _ = failure(lambda: stub.ModelStatistics(pb.ModelStatisticsRequest(), timeout=LIMIT))
    assert code == "UNIMPLEMENTED"


# Unary


def test_identity_returns_the_same_bytes_with_the_same_id(client: Any) -> None:
    result = client.infer("identity", tensor(), request_id="frame 7")
    assert result.get_response().id == "frame 7"
    assert result.get_response().model_name == "identity"
    assert result.get_output("output").datatype == "UINT8"
    assert result.as_numpy("output").tolist() == IMAGE.tolist()


def test_a_message_of_25_megabytes_passes(client: Any) -> None:
    image = np.random.default_rng(3).integers(0, 256, (2160, 3840, 3), np.uint8)
    result = client.infer("identity", tensor(image), client_timeout=60)
    assert (result.as_numpy("output") == image).all()


def test_several_outputs_come_with_their_own_types_and_shapes(client: Any) -> None:
    result = client.infer("boxes", tensor())
    assert result.as_numpy("boxes").tolist() == [[1.0] * 4] * 2
    assert result.as_numpy("labels").tolist() == [b"cat", b""]
    assert result.as_numpy("flipped").tolist() == IMAGE[::-1].tolist()


def test_only_the_requested_outputs_are_returned(client: Any) -> None:
    wanted = [triton.InferRequestedOutput("labels")]
    result = client.infer("boxes", tensor(), outputs=wanted)
    assert [each.name for each in result.get_response().outputs] == ["labels"]


def test_all_unary_calls_share_one_instance(server: EmbeddedServer) -> None:
    with EmbeddedServer({"count": TEST_MODELS["count"]}) as fresh, contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(triton.InferenceServerClient(fresh.address)) for _ in range(3)
        ]
        seen = [client.infer("count", tensor()).as_numpy("output")[0, 0, 0] for client in clients]
    assert seen == [1, 2, 3]


def changed(change: Callable[[Any], Any], model_name: str = "identity") -> Any:
    message = request(model_name, id="7", timestamp=5)
    change(message)
    return message


INVALID: dict[str, tuple[Callable[[Any], Any], str]] = {
    "no input": (
        lambda r: r.ClearField("inputs"),
        "model 'identity' takes one input, 'image'; got none",
    ),
    "two inputs": (
        lambda r: r.inputs.add(name="mask", datatype="UINT8", shape=[1]),
        "model 'identity' takes one input, 'image'; got 'image', 'mask'",
    ),
    "another name": (
        lambda r: setattr(r.inputs[0], "name", "frame"),
        "model 'identity' takes one input, 'image'; got 'frame'",
    ),
    "another type": (
        lambda r: setattr(r.inputs[0], "datatype", "FP32"),
        "input 'image' is UINT8, got FP32",
    ),
    "a batch": (
        lambda r: r.inputs[0].shape.insert(0, 1),
        "input 'image' has the shape [-1, -1, 3], got [1, 2, 3, 3]",
    ),
    "four channels": (
        lambda r: r.inputs[0].shape.__setitem__(2, 4),
        "input 'image' has the shape [-1, -1, 3], got [2, 3, 4]",
    ),
    "a negative size": (
        lambda r: r.inputs[0].shape.__setitem__(0, -2),
        "input 'image' has the shape [-1, -1, 3], got [-2, 3, 3]",
    ),
    "no raw contents": (
        lambda r: r.ClearField("raw_input_contents"),
        "input 'image' must have one entry in raw_input_contents, got 0",
    ),
    "too few bytes": (
        lambda r: r.raw_input_contents.__setitem__(0, b"x" * 17),
        "input 'image' is malformed: UINT8 [2, 3, 3] needs 18 bytes, but has 17",
    ),
    "another output": (
        lambda r: r.outputs.add(name="mask"),
        "model 'identity' has no output 'mask'; it returned 'output'",
    ),
}


@pytest.mark.parametrize("case", INVALID)
def test_an_invalid_request_is_an_invalid_argument(stub: Any, case: str) -> None:
    change, text = INVALID[case]
    got = failure(lambda: stub.ModelInfer(changed(change), timeout=LIMIT))
    assert got == ("INVALID_ARGUMENT", text)


def test_unary_failures_of_a_model_name_it_and_the_exception(stub: Any) -> None:
    bright = np.full((1, 1, 3), 200, np.uint8)

    def of(name: str) -> tuple[str, str]:
        return failure(lambda: stub.ModelInfer(request(name, bright), timeout=LIMIT))

    code, text = of("unlucky")
    assert code == "INTERNAL"
    assert text.startswith("model 'unlucky' raised ValueError: too bright (at ")
    assert "test_server.py:" in text
    code, text = of("broken")
    assert code == "FAILED_PRECONDITION"
    assert text.startswith("model 'broken' could not be constructed: OSError: no weights (at ")
    assert of("list") == (
        "INTERNAL",
        "model 'list' returned list as 'output'; it must be a numpy array of numbers, booleans or"
        " bytes",
    )
    assert of("silent") == ("ABORTED", "model 'silent' returned no response to this request")
    assert of("edgse")[0] == "NOT_FOUND"


def test_a_unary_call_works_after_one_that_failed(client: Any) -> None:
    with pytest.raises(InferenceServerException):
        client.infer("unlucky", tensor(np.full((1, 1, 3), 200, np.uint8)))
    assert client.infer("unlucky", tensor()).as_numpy("output").tolist() == IMAGE.tolist()


# Streams


def test_a_stream_responds_to_tritonclient_in_order_with_ids(client: Any) -> None:
    answers: queue.Queue[Any] = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    images = [np.full((1, 1, 3), value, np.uint8) for value in range(20)]
    for index, image in enumerate(images):
        client.async_stream_infer("identity", tensor(image), request_id=str(index))
    for index, image in enumerate(images):
        result, error = answers.get(timeout=LIMIT)
        assert error is None
        assert result.get_response().id == str(index)
        assert (result.as_numpy("output") == image).all()
    client.stop_stream()


def test_responses_have_the_timestamps_of_their_requests(stub: Any) -> None:
    answers = streamed(stub, *(request(timestamp=each) for each in (-5, 0, 1, 2**62)))
    assert timestamps(answers) == [-5, 0, 1, 2**62]


def test_requests_without_timestamp_get_increasing_epoch_microseconds(stub: Any) -> None:
    before = time.time_ns() // 1000
    got = timestamps(streamed(stub, *[request()] * 50))
    assert before <= got[0]
    assert all(later > earlier for earlier, later in itertools.pairwise(got))
    assert got[-1] <= time.time_ns() // 1000 + 50


@pytest.mark.parametrize("second", [6, 7])
def test_a_timestamp_that_does_not_increase_ends_the_stream(stub: Any, second: int) -> None:
    call = stub.ModelStreamInfer(
        iter([request(timestamp=7), request(timestamp=second), request(timestamp=8)]),
        timeout=LIMIT,
    )
    assert timestamps([next(call)]) == [7]
    assert failure(lambda: next(call)) == (
        "INVALID_ARGUMENT",
        f"OVMS_MP_TIMESTAMP must increase strictly within a stream, got {second} after 7",
    )


def test_timestamps_start_anew_with_every_stream(stub: Any) -> None:
    for _ in range(2):
        assert timestamps(streamed(stub, request(timestamp=7))) == [7]


def test_an_invalid_request_does_not_use_its_timestamp(stub: Any) -> None:
    broken = request(timestamp=9)
    broken.inputs[0].name = "frame"
    answers = streamed(stub, broken, request(timestamp=9))
    assert [bool(each.error_message) for each in answers] == [True, False]


def test_a_timestamp_of_another_type_fails_one_request(stub: Any) -> None:
    odd = request(id="a")
    odd.parameters[TIMESTAMP].string_param = "7"
    error, answer = streamed(stub, odd, request(id="b"))
    assert (
        error.error_message == "parameter OVMS_MP_TIMESTAMP must be int64_param, got string_param"
    )
    assert error.infer_response.id == "a"
    assert answer.infer_response.id == "b"


@pytest.mark.parametrize("case", INVALID)
def test_in_a_stream_an_invalid_request_fails_alone(stub: Any, case: str) -> None:
    change, text = INVALID[case]
    first, error, last = streamed(stub, request(timestamp=1), changed(change), request(timestamp=6))
    assert error.error_message == text
    assert error.infer_response.id == "7"
    assert timestamps([first, error, last]) == [1, 5, 6]
    assert pixels(last).tolist() == IMAGE.ravel().tolist()


def test_another_model_later_in_the_stream_is_an_error_of_that_request(stub: Any) -> None:
    _, error, last = streamed(stub, request(), request("edges", id="x"), request(id="y"))
    assert (
        error.error_message == "this stream is for model 'identity'; open another one for 'edges'"
    )
    assert (error.infer_response.id, last.infer_response.id) == ("x", "y")


def test_a_model_that_raises_fails_one_request_of_the_stream(stub: Any) -> None:
    bright = np.full((1, 1, 3), 200, np.uint8)
    error, answer = streamed(stub, request("unlucky", bright, id="a"), request("unlucky", id="b"))
    assert error.error_message.startswith("model 'unlucky' raised ValueError: too bright (at ")
    assert error.infer_response.id == "a"
    assert answer.infer_response.id == "b"


def test_a_model_that_calls_exit_does_not_leave_the_client_waiting(stub: Any) -> None:
    error, _ = streamed(stub, request("exit"), request("exit"))
    assert error.error_message.startswith("model 'exit' raised SystemExit: 3 (at ")
    assert failure(lambda: stub.ModelInfer(request("exit"), timeout=LIMIT))[0] == "INTERNAL"


def test_a_model_that_raises_any_exception_fails_its_request(stub: Any) -> None:
    error, _ = streamed(stub, request("interrupted"), request("interrupted"))
    text = "model 'interrupted' raised KeyboardInterrupt: no \\x1b[2J line (at "
    assert error.error_message.startswith(text)
    assert failure(lambda: stub.ModelInfer(request("interrupted"), timeout=LIMIT))[0] == "INTERNAL"


def test_a_model_that_returns_names_of_another_type_fails_its_request(stub: Any) -> None:
    error, _ = streamed(stub, request("strange"), request("strange"))
    assert error.error_message == ("model 'strange' returned a mapping with int as a name")


@pytest.mark.parametrize(
    ("name", "code"), [("edgse", "NOT_FOUND"), ("broken", "FAILED_PRECONDITION")]
)
def test_a_stream_to_an_unavailable_model_ends(stub: Any, name: str, code: str) -> None:
    assert failure(lambda: streamed(stub, request(name)))[0] == code


def test_a_model_may_return_no_response(stub: Any) -> None:
    bright = np.full((1, 1, 3), 200, np.uint8)
    (answer,) = streamed(stub, request("silent", bright, id="a"), request("silent", id="b"))
    assert answer.infer_response.id == "b"
    assert "triton_final_response" not in answer.infer_response.parameters


def test_a_client_that_asks_for_final_responses_gets_an_empty_one(stub: Any) -> None:
    bright = np.full((1, 1, 3), 200, np.uint8)
    requests = [request("silent", bright, id="a"), request("silent", id="b")]
    for each in requests:
        each.parameters["triton_enable_empty_final_response"].bool_param = True
    empty, answer = [each.infer_response for each in streamed(stub, *requests)]
    assert (empty.id, len(empty.outputs)) == ("a", 0)
    assert (answer.id, len(answer.outputs)) == ("b", 1)
    assert all(each.parameters["triton_final_response"].bool_param for each in (empty, answer))


def test_each_stream_has_an_instance_of_its_own(stub: Any) -> None:
    black = np.zeros((1, 1, 3), np.uint8)
    for _ in range(2):
        answers = streamed(stub, *[request("count", black)] * 3)
        assert [pixels(each)[0] for each in answers] == [1, 2, 3]


class Closing(Count):
    closed: queue.SimpleQueue[int] = queue.SimpleQueue()

    def close(self) -> None:
        self.closed.put(self.seen)


def test_an_instance_is_closed_with_its_stream_and_the_shared_one_with_the_server() -> None:
    with (
        EmbeddedServer({"closing": model("closing", Closing)}) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        stub = stubs.GRPCInferenceServiceStub(channel)
        stub.ModelInfer(request("closing"), timeout=LIMIT)
        streamed(stub, *[request("closing")] * 3)
        assert Closing.closed.get(timeout=LIMIT) == 3
        stub.ModelInfer(request("closing"), timeout=LIMIT)
        assert Closing.closed.empty()
    assert Closing.closed.get(timeout=LIMIT) == 2


def test_what_close_of_a_model_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Stuck(Count):
        def close(self) -> None:
            raise OSError("still in use")

    with (
        EmbeddedServer({"stuck": model("stuck", Stuck)}) as server,
        triton.InferenceServerClient(server.address) as client,
    ):
        client.infer("stuck", tensor())
    (record,) = caplog.records
    assert record.message.startswith("closing model 'stuck' raised OSError: still in use (at ")


def test_two_streams_run_concurrently(stub: Any) -> None:
    black = np.zeros((1, 1, 3), np.uint8)
    feeds: list[queue.SimpleQueue[Any]] = [queue.SimpleQueue(), queue.SimpleQueue()]
    calls = [stub.ModelStreamInfer(iter(feed.get, None), timeout=LIMIT) for feed in feeds]
    seen = []
    for index in (0, 1, 1, 0, 1):
        feeds[index].put(request("count", black))
        seen.append(pixels(next(calls[index]))[0])
    for feed in feeds:
        feed.put(None)
    assert seen == [1, 1, 2, 2, 3]
    assert [list(call) for call in calls] == [[], []]


def test_a_stream_without_requests_ends_without_an_error(stub: Any) -> None:
    assert streamed(stub) == []


def test_a_call_ends_when_its_client_cancels(server: EmbeddedServer) -> None:
    before = set(threading.enumerate())
    channel = grpc.insecure_channel(server.address)
    feed: queue.SimpleQueue[Any] = queue.SimpleQueue()
    call = stubs.GRPCInferenceServiceStub(channel).ModelStreamInfer(iter(feed.get, None))
    feed.put(request())
    assert next(call).infer_response.id == ""
    (thread,) = {t for t in threading.enumerate() if "embedded" in t.name} - before
    call.cancel()
    thread.join(LIMIT)
    assert not thread.is_alive()
    feed.put(None)
    channel.close()


# Starting and closing


def test_port_0_chooses_a_free_port() -> None:
    with EmbeddedServer(MODELS) as one, EmbeddedServer(MODELS) as two:
        assert one.address.startswith("127.0.0.1:")
        assert one.address != two.address


def test_closing_frees_the_port_and_ends_every_thread() -> None:
    before = set(threading.enumerate())
    address = "127.0.0.1:0"
    for _ in range(5):
        server = EmbeddedServer(MODELS, address=address)
        address = server.address  # the same one again
        with triton.InferenceServerClient(address) as client:
            client.infer("identity", tensor())
        server.close()
        server.close()
    for thread in set(threading.enumerate()) - before:
        thread.join(LIMIT)
    assert set(threading.enumerate()) <= before


def test_closing_ends_a_stream_that_is_open(server: EmbeddedServer) -> None:
    with (
        EmbeddedServer(MODELS) as mortal,
        grpc.insecure_channel(mortal.address) as channel,
    ):
        feed: queue.SimpleQueue[Any] = queue.SimpleQueue()
        call = stubs.GRPCInferenceServiceStub(channel).ModelStreamInfer(iter(feed.get, None))
        feed.put(request())
        next(call)
        mortal.close()
        assert failure(lambda: next(call))[0] in ("CANCELLED", "UNAVAILABLE")
        feed.put(None)


def test_a_model_that_hangs_does_not_keep_the_server_from_closing() -> None:
    entered, leave = threading.Event(), threading.Event()

    def hang(image: npt.NDArray[np.uint8]) -> None:
        entered.set()
        leave.wait()

    with (
        EmbeddedServer({"hang": model("hang", lambda: hang)}) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        call = stubs.GRPCInferenceServiceStub(channel).ModelInfer.future(request("hang"))
        assert entered.wait(LIMIT)
        server.close()
        assert failure(call.result)[0] in ("CANCELLED", "UNAVAILABLE")
        (stuck,) = [t for t in threading.enumerate() if t.name == "flowrun-embedded-server"]
        assert stuck.daemon
        leave.set()
        stuck.join(LIMIT)


def never_cancels(_grace: float) -> threading.Event:
    """A stand-in for `grpc.Server.stop` that has not cancelled the calls when it should have."""
    stopped = threading.Event()
    stopped.set()
    return stopped


@pytest.mark.parametrize("method", ["ModelInfer", "ModelStreamInfer"])
def test_a_call_that_fails_because_the_server_closes_is_unavailable(
    monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    entered, closed = threading.Event(), threading.Event()

    def infer(image: npt.NDArray[np.uint8]) -> None:
        entered.set()
        assert closed.wait(LIMIT)
        raise OSError("the worker has ended")

    freed = replace(model("freed", lambda: infer), close=closed.set)
    with EmbeddedServer({"freed": freed}) as server, contextlib.ExitStack() as stack:
        channel = stack.enter_context(grpc.insecure_channel(server.address))
        stub = stubs.GRPCInferenceServiceStub(channel)
        calls: list[Callable[[], Any]] = []
        for _ in range(2):  # of unary calls, one waits for the instance
            if method == "ModelInfer":
                calls.append(stub.ModelInfer.future(request("freed"), timeout=LIMIT).result)
            else:
                stream = stub.ModelStreamInfer(iter([request("freed")] * 2), timeout=LIMIT)
                calls.append(functools.partial(list, stream))
        assert entered.wait(LIMIT)
        with monkeypatch.context() as patch:
            patch.setattr(server._server, "stop", never_cancels)
            server.close()
        for call in calls:
            assert failure(call) == ("UNAVAILABLE", "the server is shutting down")


def test_no_instance_is_made_after_the_server_has_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Count] = []

    def make() -> Count:
        made.append(Count())
        return made[-1]

    with (
        EmbeddedServer({"count": model("count", make)}) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        stub = stubs.GRPCInferenceServiceStub(channel)
        stub.ModelInfer(request("count"), timeout=LIMIT)
        with monkeypatch.context() as patch:
            patch.setattr(server._server, "stop", never_cancels)
            server.close()
        for call in (
            lambda: stub.ModelInfer(request("count"), timeout=LIMIT),
            lambda: streamed(stub, request("count")),
        ):
            assert failure(call) == ("UNAVAILABLE", "the server is shutting down")
    assert len(made) == 1


def test_more_concurrent_calls_than_the_limit_are_refused() -> None:
    leave = threading.Event()

    def wait(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        leave.wait(LIMIT)
        return image

    done: queue.Queue[Any] = queue.Queue()
    with (
        EmbeddedServer({"wait": model("wait", lambda: wait)}) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        stub = stubs.GRPCInferenceServiceStub(channel)
        calls = [stub.ModelInfer.future(request("wait")) for _ in range(CALLS + 2)]
        for call in calls:
            call.add_done_callback(done.put)
        refused = [done.get(timeout=LIMIT).code().name for _ in range(2)]
        leave.set()
        others = [done.get(timeout=LIMIT).code().name for _ in range(CALLS)]
    assert refused == ["RESOURCE_EXHAUSTED"] * 2
    assert others == ["OK"] * CALLS


def test_an_address_in_use_is_named() -> None:
    with EmbeddedServer(MODELS) as server:
        with pytest.raises(RunError) as caught:
            EmbeddedServer(MODELS, address=server.address)
        assert str(caught.value) == (
            f"--address: cannot listen on {server.address}: Address already in use\n"
            "  choose another port; port 0 chooses a free one"
        )


def test_an_address_of_another_machine_is_named() -> None:
    with pytest.raises(RunError, match=r"^--address: cannot listen on 192\.0\.2\.1:9000: \w+"):
        EmbeddedServer(MODELS, address="192.0.2.1:9000")


@pytest.mark.parametrize("address", ["", "9000", "localhost", ":9000", "localhost:x", "h:65536"])
def test_an_invalid_address_is_refused(address: str) -> None:
    with pytest.raises(UsageError) as caught:
        EmbeddedServer(MODELS, address=address)
    assert str(caught.value) == (
        f"--address: {address!r} is not an address\n"
        "  write HOST:PORT, for instance 127.0.0.1:9000; port 0 chooses a free one"
    )


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_it_listens_on_ipv6() -> None:
    try:
        server = EmbeddedServer(MODELS, address="[::1]:0")
    except RunError as error:
        pytest.skip(str(error))
    with server, triton.InferenceServerClient(server.address) as client:
        assert client.is_server_live()


def test_serve_finds_the_models_by_name() -> None:
    with (
        serve(["edges", "identity"], "127.0.0.1:0") as server,
        triton.InferenceServerClient(server.address) as client,
    ):
        index = client.get_model_repository_index(as_json=True)["models"]
        assert [each["name"] for each in index] == ["edges", "identity"]


def test_serve_refuses_an_unknown_model() -> None:
    with pytest.raises(UsageError) as caught:
        serve(["identity", "greyscale"], "127.0.0.1:0")
    assert str(caught.value) == (
        "there is no built-in model 'greyscale'\n"
        f"  did you mean 'grayscale'? built-in models: {', '.join([*MODELS, *ISOLATED])};"
        " for your own write package.module:name, or the path of an .onnx or .xml file"
    )


def test_a_model_may_have_several_names_and_a_name_only_one_model() -> None:
    with serve(["edges", "mine=edges"], "127.0.0.1:0") as server:
        assert list(server.models) == ["edges", "mine"]
    with pytest.raises(UsageError) as caught:
        serve(["edges", "edges=identity"], "127.0.0.1:0")
    assert (
        str(caught.value)
        == "two models have the name 'edges'\n  give one of them another name: NAME=MODEL"
    )
