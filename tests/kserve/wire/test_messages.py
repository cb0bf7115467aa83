"""Encoding and decoding of messages."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton
from google.protobuf.message import DecodeError
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tritonclient.grpc import service_pb2 as pb

from flowrun.errors import TransportError
from flowrun.inference import Placement, Request
from flowrun.kserve.wire.fields import field_header
from flowrun.kserve.wire.requests import join, pieces
from flowrun.kserve.wire.responses import Response, decode, decode_stream
from flowrun.kserve.wire.tensors import DATATYPES, datatype_of, from_contents, from_raw, to_raw

SHAPES = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
NUMBERS = st.sampled_from(sorted(DATATYPES)).flatmap(
    lambda name: arrays.arrays(DATATYPES[name][0], SHAPES)
)
ELEMENTS = st.binary(max_size=8)
TEXTS = SHAPES.flatmap(lambda shape: arrays.arrays(object, shape, elements=ELEMENTS, fill=ELEMENTS))


def response(**tensors: Any) -> Any:
    message = pb.ModelInferResponse(model_name="m", id="7")
    for name, array in tensors.items():
        message.outputs.add(name=name, datatype=datatype_of(array), shape=array.shape)
        message.raw_output_contents.append(bytes(to_raw(array, datatype_of(array))))
    return message


def encode(*arguments: Any) -> bytes:
    return join(pieces(*arguments), Request({}))


def problem(message: Any) -> str:
    answer = decode(message.SerializeToString())
    assert answer.problem is not None
    assert answer.id == "7"
    return str(answer.problem)


@given(NUMBERS | TEXTS)
def test_what_is_encoded_is_what_is_decoded(array: Any) -> None:
    datatype = datatype_of(array)
    back = from_raw(bytes(to_raw(array, datatype)), datatype, array.shape)
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)
    assert not back.flags.writeable


@given(NUMBERS | TEXTS)
def test_the_bytes_are_those_of_tritonclient(array: Any) -> None:
    theirs = triton.InferInput("image", array.shape, datatype_of(array))
    theirs.set_data_from_numpy(array)
    expected = triton._utils._get_inference_request(
        model_name="m",
        inputs=[theirs],
        model_version="2",
        request_id="7",
        outputs=None,
        sequence_id=0,
        sequence_start=False,
        sequence_end=False,
        priority=0,
        timeout=None,
        parameters={"a": True, "b": 3, "c": "x"},
    )
    ours = encode("m", "2", "7", {"image": array}, {"a": True, "b": 3, "c": "x"})
    assert pb.ModelInferRequest.FromString(ours) == expected


@given(NUMBERS | TEXTS)
def test_typed_contents_are_read_like_raw_ones(array: Any) -> None:
    datatype = datatype_of(array)
    field = DATATYPES[datatype][1] if datatype != "BYTES" else "bytes_contents"
    contents = pb.InferTensorContents()
    if field:
        getattr(contents, field).extend(array.reshape(-1).tolist())
    else:
        contents.bytes_contents.append(array.tobytes())
    back = from_contents(contents, datatype, array.shape)
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)
    assert not back.flags.writeable


def test_large_typed_numbers_keep_their_last_digits() -> None:
    contents = pb.InferTensorContents(uint64_contents=[2**63 + 1, 0])
    assert from_contents(contents, "UINT64", (2,)).tolist() == [2**63 + 1, 0]


def test_an_output_is_a_view_of_the_message_not_a_copy() -> None:
    raw = bytes(range(12))
    assert np.shares_memory(from_raw(raw, "UINT8", (2, 2, 3)), np.frombuffer(raw, np.uint8))


def test_big_endian_and_strided_arrays_are_sent_in_order() -> None:
    array = np.arange(12, dtype=">i4").reshape(3, 4)[::-1, ::2]
    back = from_raw(to_raw(array, datatype_of(array)), "INT32", array.shape)
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize(
    "array", [np.zeros(2, complex), np.zeros(2, "M8[s]"), np.zeros(2, [("a", "i4")])]
)
def test_what_the_protocol_cannot_carry_is_refused_by_name(array: Any) -> None:
    with pytest.raises(TransportError) as caught:
        encode("m", None, "1", {"image": array}, {})
    assert caught.value.message == f"an array of {array.dtype} cannot be sent to a model"


def test_an_array_of_objects_that_are_not_text_is_refused() -> None:
    with pytest.raises(TransportError, match="an array of objects may hold bytes or str, not int"):
        encode("m", None, "1", {"text": np.array([b"a", 3], object)}, {})


def test_parameters_keep_their_types() -> None:
    values: dict[str, bool | int | float | str] = {
        "a": True,
        "b": -3,
        "c": "x",
        "d": 2.0,
        "e": 2**64 - 1,
    }
    message = pb.ModelInferRequest.FromString(encode("m", None, "1", {}, values))
    kinds = {name: each.WhichOneof("parameter_choice") for name, each in message.parameters.items()}
    assert kinds == {
        "a": "bool_param",
        "b": "int64_param",
        "c": "string_param",
        "d": "double_param",
        "e": "uint64_param",
    }
    answer = response()
    answer.parameters.MergeFrom(message.parameters)
    assert decode(answer.SerializeToString()).parameters == values


def test_a_number_of_more_than_64_bits_is_refused_under_its_key() -> None:
    with pytest.raises(TransportError) as caught:
        encode("m", None, "1", {}, {"seed": 2**64})
    assert str(caught.value) == (
        "transport.parameters.seed: 18446744073709551616 does not fit into 64 bits"
    )


def test_a_response_of_several_outputs_has_each_under_its_name() -> None:
    a, b = np.zeros((2, 3), np.float32), np.array([b"x", b""], object)
    answer = decode(response(a=a, b=b).SerializeToString())
    assert answer.id == "7"
    np.testing.assert_array_equal(answer.outputs["a"], a)
    np.testing.assert_array_equal(answer.outputs["b"], b)


def test_a_response_whose_size_does_not_match_its_shape_has_a_problem() -> None:
    message = response(output=np.zeros((2, 3), np.uint16))
    message.raw_output_contents[0] = b"12345"
    assert problem(message) == (
        "transport: output 'output' is malformed: UINT16 [2, 3] needs 12 bytes, but has 5"
    )


def test_a_response_of_an_unknown_datatype_has_a_problem() -> None:
    message = response(output=np.zeros(2, np.uint16))
    message.outputs[0].datatype = "BF16"
    assert "output 'output' is malformed: datatype 'BF16' is not supported" in problem(message)


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ((0, 2**62, 2**62), f"the shape {[0, 2**62, 2**62]} is not supported"),
        ((1,) * 65, "the shape has 65 dimensions, at most 64 are supported"),
    ],
)
def test_a_response_of_a_shape_that_numpy_does_not_support_has_a_problem(
    shape: tuple[int, ...], text: str
) -> None:
    message = response(output=np.zeros(1, np.uint8))
    message.outputs[0].shape[:] = shape
    message.raw_output_contents[0] = bytes(int(np.prod(np.array(shape, object))))
    assert text in problem(message)


def test_a_response_of_an_impossible_shape_has_a_problem() -> None:
    message = response(output=np.zeros(2, np.uint16))
    message.outputs[0].shape[0] = -1
    assert "the shape [-1] is invalid" in problem(message)


def test_a_response_without_contents_has_a_problem() -> None:
    message = response(output=np.zeros(2, np.uint16))
    del message.raw_output_contents[:]
    assert "the shape [2] needs 2 elements, but there are 0" in problem(message)


def test_a_response_with_fewer_contents_than_outputs_has_a_problem() -> None:
    message = response(a=np.zeros(2, np.uint16), b=np.zeros(2, np.uint16))
    del message.raw_output_contents[1]
    assert problem(message) == "transport: the response has 2 outputs and 1 raw contents"


def test_typed_numbers_that_their_datatype_does_not_hold_are_a_problem() -> None:
    message = pb.ModelInferResponse(id="7")
    message.outputs.add(name="o", datatype="UINT8", shape=[1]).contents.uint_contents.append(256)
    assert "UINT8 [1] has values out of range" in problem(message)


@pytest.mark.parametrize(
    "raw", [b"\5\0\0\0abc", b"\1\0", b"", b"\0\0\0\0\0\0\0\0", b"\xff\xff\xff\xff"]
)
def test_bytes_with_wrong_lengths_are_a_problem(raw: bytes) -> None:
    with pytest.raises(TransportError, match="BYTES with 1 elements has wrong element lengths"):
        from_raw(raw, "BYTES", (1,))


PARAMETERS = st.dictionaries(
    st.text(max_size=4),
    st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=4),
    max_size=3,
)
UNKNOWN = st.sampled_from(  # undeclared fields, of each wire type
    [b"", b"\xa0\x01\x05", b"\xa1\x01" + bytes(8), b"\xa2\x01\x032\x01x", b"\xa5\x01abcd",
     b"\xa3\x012\x01x\xa4\x01"]  # the last is a group with a field 6 of its own in it
)  # fmt: skip


@given(st.dictionaries(st.text(max_size=4), NUMBERS | TEXTS, max_size=3), PARAMETERS)
def test_a_request_is_what_protobuf_makes_of_it(tensors: Any, parameters: Any) -> None:
    expected = pb.ModelInferRequest(model_name="m", model_version="2", id="7")
    for name, value in parameters.items():
        kinds = {bool: "bool_param", int: "int64_param", float: "double_param", str: "string_param"}
        large = isinstance(value, int) and value >= 2**63
        kind = "uint64_param" if large else kinds[type(value)]
        setattr(expected.parameters[name], kind, value)
    for name, array in tensors.items():
        expected.inputs.add(name=name, datatype=datatype_of(array), shape=array.shape)
        expected.raw_input_contents.append(bytes(to_raw(array, datatype_of(array))))
    ours = encode("m", "2", "7", tensors, parameters)
    assert pb.ModelInferRequest.FromString(ours) == expected
    assert len(ours) == expected.ByteSize()


@given(st.lists(NUMBERS | TEXTS, max_size=3), PARAMETERS, UNKNOWN, st.none() | st.just("no"))
def test_a_response_is_what_protobuf_reads(
    arrays: Any, parameters: Any, unknown: bytes, error: str | None
) -> None:
    tensors = {f"t{n}": array for n, array in enumerate(arrays)}
    message = response(**tensors)
    sent = pb.ModelInferRequest.FromString(encode("m", "2", "7", {}, parameters)).parameters
    message.parameters.MergeFrom(sent)
    bare = message.SerializeToString()
    envelope = pb.ModelStreamInferResponse(error_message=error or "", infer_response=message)
    for answer, said in (
        (decode(unknown + bare), None),
        (decode(bare + unknown), None),
        (decode_stream(envelope.SerializeToString()), error),
    ):
        assert (answer.id, answer.error, answer.problem) == ("7", said, None)
        assert answer.parameters == parameters
        assert list(answer.outputs) == list(tensors)
        for name, array in tensors.items():
            assert answer.outputs[name].dtype == array.dtype
            np.testing.assert_array_equal(answer.outputs[name], array)
            assert not answer.outputs[name].flags.writeable


def test_a_large_response_is_not_copied() -> None:
    data = response(output=np.zeros((480, 640, 3), np.uint8)).SerializeToString()
    for answer in (decode(data), decode_stream(field_header(2, len(data)) + data)):
        assert answer.outputs["output"].base is not None
    assert np.shares_memory(decode(data).outputs["output"], np.frombuffer(data, np.uint8))


def test_a_message_in_two_pieces_is_merged() -> None:
    one, other = response(a=np.arange(3)), response(b=np.arange(4))
    pieces = [pb.ModelStreamInferResponse(infer_response=each) for each in (one, other)]
    answer = decode_stream(b"".join(piece.SerializeToString() for piece in pieces))
    assert {name: len(array) for name, array in answer.outputs.items()} == {"a": 3, "b": 4}


@given(st.binary(max_size=60) | st.builds(lambda b: response(o=b).SerializeToString()[:-1], TEXTS))
@settings(max_examples=5 * settings().max_examples)
@example(b"\x08")
@example(b"\xa3\x01")
@example(b"\xff" * 11)
def test_random_bytes_are_a_response_or_a_named_error_just_as_for_protobuf(data: bytes) -> None:
    try:
        pb.ModelInferResponse.FromString(data)
    except DecodeError:
        with pytest.raises(TransportError, match=f"the server sent {len(data)} bytes that are not"):
            decode(data)
    else:
        assert isinstance(decode(data), Response)
    with contextlib.suppress(TransportError):
        assert isinstance(decode_stream(data), Response)


def test_a_message_that_is_malformed_is_refused() -> None:
    with pytest.raises(
        TransportError, match="the server sent 3 bytes that are not a valid response"
    ):
        decode_stream(b"\xff\xff\xff")


def test_a_stream_may_carry_responses_with_and_without_a_stream_response_around_them() -> None:
    bare = response(output=np.arange(3, dtype=np.uint8))
    bare.model_version = "1"
    wrapped = pb.ModelStreamInferResponse(infer_response=bare)
    for message in (bare, wrapped):
        answer = decode_stream(message.SerializeToString())
        assert (answer.id, answer.error) == ("7", None)
        assert answer.outputs["output"].tolist() == [0, 1, 2]


def test_an_error_in_a_stream_keeps_its_id() -> None:
    message = pb.ModelStreamInferResponse(error_message="no")
    message.infer_response.id = "9"
    answer = decode_stream(message.SerializeToString())
    assert (answer.id, answer.error) == ("9", "no")


def test_a_request_for_shared_memory_is_that_of_tritonclient() -> None:
    image, small = np.zeros((4, 5, 3), np.uint8), np.arange(2, dtype=np.float32)
    inputs = [
        triton.InferInput("image", [4, 5, 3], "UINT8"),
        triton.InferInput("small", [2], "FP32"),
    ]
    inputs[0].set_shared_memory("in", 60)
    inputs[1].set_data_from_numpy(small)
    outputs = [triton.InferRequestedOutput("output"), triton.InferRequestedOutput("scores")]
    outputs[0].set_shared_memory("out", 90)
    theirs = triton._utils._get_inference_request(
        "m", inputs, "", "7", outputs, 0, False, False, 0, None, None
    )
    placement = Placement(
        {"image": ("in", memoryview(bytes(60)))},
        {"output": ("out", memoryview(bytes(90))), "scores": None},
    )
    data = encode("m", None, "7", {"image": image, "small": small}, {}, placement)
    assert without_defaults(pb.ModelInferRequest.FromString(data)) == without_defaults(theirs)


def without_defaults(message: Any) -> Any:
    """An offset of 0 may be present or not."""
    for tensor in (*message.inputs, *message.outputs):
        tensor.parameters.pop("shared_memory_offset", None)
        tensor.parameters.pop("binary_data", None)
    return message


@pytest.mark.parametrize("wrapped", [False, True])
def test_an_output_without_content_is_read_from_its_region(wrapped: bool) -> None:
    image, scores = np.arange(12, dtype=np.uint8).reshape(2, 2, 3), np.arange(3, dtype=np.float32)
    message = response(output=image, scores=scores)
    message.raw_output_contents[0] = b""
    region = bytearray(image.tobytes() + bytes(4))
    placement = Placement(
        outputs={"output": ("out", memoryview(region).toreadonly()), "scores": None}
    )
    if wrapped:
        message = pb.ModelStreamInferResponse(infer_response=message)
        answer = decode_stream(message.SerializeToString(), {"7": placement}.__getitem__)
    else:
        answer = decode(message.SerializeToString(), placement)
    np.testing.assert_array_equal(answer.outputs["output"], image)
    np.testing.assert_array_equal(answer.outputs["scores"], scores)
    region[0] = 99
    assert answer.outputs["output"][0, 0, 0] == 99
    assert not answer.outputs["output"].flags.writeable


def test_an_output_that_is_larger_than_its_region_is_malformed() -> None:
    message = response(output=np.zeros((2, 2, 3), np.uint8))
    message.raw_output_contents[0] = b""
    placement = Placement(outputs={"output": ("out", memoryview(bytes(8)))})
    answer = decode(message.SerializeToString(), placement)
    assert str(answer.problem) == (
        "transport: output 'output' is malformed: UINT8 [2, 2, 3] needs 12 bytes, but has 8"
    )


@given(st.lists(NUMBERS | TEXTS, max_size=3), st.booleans())
def test_arrays_to_spare_become_views_of_the_message(given: list[Any], releasable: bool) -> None:
    arrays = {f"t{n}": np.asarray(array) for n, array in enumerate(given)}
    request = Request(arrays, releasable=releasable)
    message = join(pieces("m", None, "1", arrays, {}), request)
    assert message == encode("m", None, "1", arrays, {})
    assert list(request.inputs) == list(arrays)
    within = np.frombuffer(message, np.uint8)
    for name, array in arrays.items():
        found = request.inputs[name]
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)
        lies_there = array.size and array.dtype != object
        assert np.shares_memory(found, within) == bool(releasable and lies_there)
        assert releasable or found is array
