"""The embedded server's messages are those that protobuf would read and write."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2 as pb

from flowrun.kserve.server.messages import Request, Response
from flowrun.kserve.wire.fields import MalformedMessageError

contents = st.lists(st.binary(max_size=40), max_size=4)
words = st.text(max_size=8)


@given(raws=contents, name=words, number=st.integers(0, 2**63 - 1))
def test_a_request_is_read_as_protobuf_reads_it(raws: list[bytes], name: str, number: int) -> None:
    message = pb.ModelInferRequest(model_name=name, id="7", raw_input_contents=raws)
    message.parameters["n"].int64_param = number
    message.inputs.add(name=name, datatype="UINT8", shape=[number])
    read = Request.read(message.SerializeToString())
    assert [bytes(content) for content in read.contents] == raws
    del message.raw_input_contents[:]
    assert read.message == message


@given(raws=contents, name=words, error=words)
def test_a_response_is_written_as_protobuf_writes_it(
    raws: list[bytes], name: str, error: str
) -> None:
    def message(**more: Any) -> Any:
        return pb.ModelInferResponse(model_name=name, model_version="1", id=name, **more)

    whole = message(raw_output_contents=raws)
    response = Response(message(), [memoryview(raw) for raw in raws])
    assert response.unary() == whole.SerializeToString()
    expected = pb.ModelStreamInferResponse(error_message=error, infer_response=whole)
    assert response.in_stream(error) == expected.SerializeToString()


@pytest.mark.parametrize("data", [b"\xff\xff\xff", b"\x0a\x02\xff\xff"])
def test_invalid_bytes_are_refused(data: bytes) -> None:
    with pytest.raises((MalformedMessageError, DecodeError)):
        Request.read(data)
