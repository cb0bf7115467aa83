"""What real servers do on the wire, as far as flowrun relies on it."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc as stubs
from tritonclient.utils import InferenceServerException

from tests.testbed.pictures import Picture, noise

LIMIT = 30.0  # seconds, a guard against hanging
UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


@pytest.fixture
def triton_client(triton_address: str) -> Iterator[Any]:
    with triton.InferenceServerClient(triton_address) as client:
        yield client


@pytest.fixture
def mlserver_client(mlserver_address: str) -> Iterator[Any]:
    with triton.InferenceServerClient(mlserver_address) as client:
        yield client


def plain(red: int) -> Picture:
    return np.full((4, 6, 3), (red, 0, 0), np.uint8)


def tensor(image: Picture) -> list[Any]:
    given = triton.InferInput("image", image.shape, "UINT8")
    given.set_data_from_numpy(image)
    return [given]


def request(model: str, image: Picture, **fields: Any) -> Any:
    message = pb.ModelInferRequest(model_name=model, **fields)
    message.inputs.add(name="image", datatype="UINT8", shape=image.shape)
    message.raw_input_contents.append(image.tobytes())
    return message


def streamed(address: str, *requests: Any) -> list[Any]:
    with grpc.insecure_channel(address, options=UNLIMITED) as channel:
        stub = stubs.GRPCInferenceServiceStub(channel)
        return list(stub.ModelStreamInfer(iter(requests), timeout=LIMIT))


def failure(call: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code().name, caught.value.details() or ""


# Triton


def test_triton_declares_the_models(triton_client: Any) -> None:
    assert triton_client.get_server_metadata().name == "triton"
    metadata = triton_client.get_model_metadata("identity", as_json=True)
    image = {"datatype": "UINT8", "shape": ["-1", "-1", "3"]}
    assert metadata["inputs"] == [{"name": "image", **image}]
    assert metadata["outputs"] == [{"name": "output", **image}]


def test_triton_reports_an_unknown_model_as_not_ready(triton_client: Any) -> None:
    assert triton_client.is_model_ready("identity") is True
    assert triton_client.is_model_ready("edgse") is False
    with pytest.raises(InferenceServerException, match="unknown model: 'edgse'"):
        triton_client.get_model_metadata("edgse")


def test_triton_answers_a_unary_call_under_its_id(triton_client: Any) -> None:
    image = noise(1, 481, 641)
    result = triton_client.infer("identity", tensor(image), request_id="frame 7")
    assert result.get_response().id == "frame 7"
    assert (result.as_numpy("output") == image).all()


def test_triton_takes_messages_of_25_megabytes(triton_client: Any) -> None:
    image = noise(1, 2160, 3840)
    result = triton_client.infer("identity", tensor(image), client_timeout=LIMIT)
    assert (result.as_numpy("output") == image).all()


def test_triton_may_answer_at_another_size(triton_client: Any) -> None:
    assert triton_client.infer("resize320", tensor(noise(1, 40, 60))).as_numpy("output").shape == (
        320,
        320,
        3,
    )


def test_a_stream_of_triton_answers_tritonclient(triton_client: Any) -> None:
    answers: queue.Queue[Any] = queue.Queue()
    triton_client.start_stream(lambda result, error: answers.put((result, error)))
    images = [noise(seed, 120, 160) for seed in range(20)]
    for index, image in enumerate(images):
        triton_client.async_stream_infer("identity", tensor(image), request_id=str(index))
    for index, image in enumerate(images):  # one instance keeps the order
        result, error = answers.get(timeout=LIMIT)
        assert error is None
        assert result.get_response().id == str(index)
        assert (result.as_numpy("output") == image).all()
    triton_client.stop_stream()


def jittered(model: str) -> list[Any]:
    """Four requests, of which the first takes 250 ms and the others nothing."""
    return [request(model, plain(red), id=str(index)) for index, red in enumerate([250, 0, 0, 0])]


def test_two_instances_of_triton_answer_unary_calls_out_of_order(triton_address: str) -> None:
    answers: queue.Queue[str] = queue.Queue()
    with grpc.insecure_channel(triton_address) as channel:
        stub = stubs.GRPCInferenceServiceStub(channel)
        calls = [stub.ModelInfer.future(each, timeout=LIMIT) for each in jittered("jitter")]
        for call in calls:
            call.add_done_callback(lambda call: answers.put(call.result().id))
        order = [answers.get(timeout=LIMIT) for _ in calls]
    assert sorted(order) == ["0", "1", "2", "3"]
    assert order[0] != "0"


def test_a_stream_of_triton_keeps_the_order_in_spite_of_two_instances(triton_address: str) -> None:
    answers = streamed(triton_address, *jittered("jitter"))
    assert [each.infer_response.id for each in answers] == ["0", "1", "2", "3"]
    assert all(
        each.infer_response.parameters["triton_final_response"].bool_param for each in answers
    )


def test_a_stream_to_a_decoupled_model_does_not_keep_the_order(triton_address: str) -> None:
    answers = streamed(triton_address, *jittered("jitter_decoupled"))
    order = [each.infer_response.id for each in answers]
    assert sorted(order) == ["0", "1", "2", "3"]
    assert order[0] != "0"


def test_a_decoupled_model_of_triton_is_not_for_unary_calls(triton_client: Any) -> None:
    with pytest.raises(InferenceServerException) as caught:
        triton_client.infer("repeat", tensor(plain(1)))
    assert caught.value.status() == "StatusCode.UNIMPLEMENTED"


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_decoupled_model_of_triton_answers_any_number_of_times(
    triton_address: str, count: int
) -> None:
    ask = request("repeat", plain(count), id="7")
    ask.parameters["triton_enable_empty_final_response"].bool_param = True
    answers = [each.infer_response for each in streamed(triton_address, ask)]
    assert [each.id for each in answers] == ["7"] * (count + 1)
    assert [len(each.outputs) for each in answers] == [1] * count + [0]
    final = [each.parameters["triton_final_response"].bool_param for each in answers]
    assert final == [False] * count + [True]


def test_triton_sends_no_empty_response_unless_asked(triton_address: str) -> None:
    asks = [request("repeat", plain(0), id="a"), request("repeat", plain(1), id="b")]
    answers = streamed(triton_address, *asks)
    assert [each.infer_response.id for each in answers] == ["b"]


def test_an_error_in_a_stream_of_triton_has_the_id_and_fails_one_request(
    triton_address: str,
) -> None:
    broken = request("identity", plain(1), id="a")
    broken.inputs[0].name = "frame"
    error, answer = streamed(triton_address, broken, request("identity", plain(1), id="b"))
    assert "unexpected inference input 'frame'" in error.error_message
    assert error.infer_response.id == "a"
    assert not answer.error_message
    assert answer.infer_response.id == "b"


def test_an_unknown_model_in_a_stream_of_triton_is_an_in_stream_error(triton_address: str) -> None:
    error, answer = streamed(
        triton_address, request("edgse", plain(1), id="a"), request("identity", plain(1), id="b")
    )
    assert "unknown model: 'edgse'" in error.error_message
    assert answer.infer_response.id == "b"


# MLServer


def test_mlserver_declares_the_models(mlserver_client: Any) -> None:
    assert mlserver_client.get_server_metadata().name == "mlserver"
    metadata = mlserver_client.get_model_metadata("identity", as_json=True)
    image = {"datatype": "UINT8", "shape": ["-1", "-1", "3"]}
    assert metadata["inputs"] == [{"name": "image", **image}]
    assert metadata["outputs"] == [{"name": "output", **image}]


def test_mlserver_answers_a_unary_call_under_its_id(mlserver_client: Any) -> None:
    image = noise(1, 121, 161)
    result = mlserver_client.infer("identity", tensor(image), request_id="frame 7")
    assert result.get_response().id == "frame 7"
    assert (result.as_numpy("output") == image).all()


def test_mlserver_takes_messages_of_more_than_4_megabytes(mlserver_client: Any) -> None:
    image = noise(1, 1080, 1920)
    result = mlserver_client.infer("identity", tensor(image), client_timeout=LIMIT)
    assert (result.as_numpy("output") == image).all()


def test_mlserver_does_not_find_an_unknown_model(mlserver_client: Any) -> None:
    with pytest.raises(InferenceServerException) as caught:
        mlserver_client.infer("edgse", tensor(plain(1)))
    assert caught.value.status() == "StatusCode.NOT_FOUND"
    with pytest.raises(InferenceServerException) as caught:
        mlserver_client.is_model_ready("edgse")
    assert caught.value.status() == "StatusCode.UNKNOWN"


def test_a_stream_of_mlserver_is_not_that_of_the_others(mlserver_address: str) -> None:
    """It sends ModelInferResponse where the others send ModelStreamInferResponse, and every answer
    bears the first request's id: read as usual, the model's name looks like an error."""
    asks = [request("identity", plain(red), id=str(red)) for red in (1, 2, 3)]
    for each in streamed(mlserver_address, *asks):
        assert each.error_message == "identity"
        assert not each.HasField("infer_response")
    with grpc.insecure_channel(mlserver_address) as channel:
        call = channel.stream_stream(
            "/inference.GRPCInferenceService/ModelStreamInfer",
            request_serializer=pb.ModelInferRequest.SerializeToString,
            response_deserializer=pb.ModelInferResponse.FromString,
        )
        answers = list(call(iter(asks), timeout=LIMIT))
    assert [each.id for each in answers] == ["1", "1", "1"]
    assert [each.raw_output_contents[0][0] for each in answers] == [1, 2, 3]


def test_a_model_of_mlserver_without_streaming_answers_once_and_ends_the_stream(
    mlserver_address: str,
) -> None:
    asks = [request("unary_only", plain(red)) for red in (1, 2, 3)]
    assert len(streamed(mlserver_address, *asks)) == 1


def test_an_unknown_model_ends_the_stream_of_mlserver(mlserver_address: str) -> None:
    assert failure(lambda: streamed(mlserver_address, request("edgse", plain(1)))) == (
        "NOT_FOUND",
        "Model edgse with version  not found",
    )
