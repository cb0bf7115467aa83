"""Make of a recorded response the one to a request of now: its id, its timestamp, its mode."""

from __future__ import annotations

import grpc
from tritonclient.grpc import service_pb2 as pb

from flowrun.kserve.cassette.content import RecordedResponse
from flowrun.kserve.cassette.digest import Identity
from flowrun.kserve.wire.fields import MalformedMessageError, Splitter, field_header
from flowrun.kserve.wire.parameters import TIMESTAMP

_ERROR, _RESPONSE = 1, 2  # the fields of ModelStreamInferResponse


def stamped(data: bytes, recorded: RecordedResponse, request: Identity) -> bytes:
    """A message of a stream with the id and the timestamp of `request`, where the recorded one has
    those of its own request. They are appended: protobuf merges the two."""
    if not (recorded.has_id or recorded.has_timestamp):
        return data
    message = pb.ModelInferResponse()
    if recorded.has_id:
        message.id = request.id
    if recorded.has_timestamp and request.timestamp is not None:
        message.parameters[TIMESTAMP].int64_param = request.timestamp
    return data + _framed(bytes(message.SerializeToString()))


def to_stream(data: bytes, request: Identity) -> bytes:
    """The response to a unary call as a message of a stream."""
    marks = pb.ModelInferResponse(id=request.id)
    if request.timestamp is not None:
        marks.parameters[TIMESTAMP].int64_param = request.timestamp
    return _framed(data) + _framed(bytes(marks.SerializeToString()))


def error_message(text: str, request: Identity) -> bytes:
    """An error of `request` as a message of a stream."""
    message = pb.ModelStreamInferResponse(error_message=text)
    message.infer_response.id = request.id
    if request.timestamp is not None:
        message.infer_response.parameters[TIMESTAMP].int64_param = request.timestamp
    return bytes(message.SerializeToString())


def is_error(data: bytes) -> bool:
    """Whether a message of a stream has the text of an error, or is none."""
    try:
        fields = Splitter().fields(memoryview(data))
        return any(each.number == _ERROR and each.content for each in fields)
    except MalformedMessageError:
        return True


def to_unary(data: bytes) -> tuple[bytes, grpc.StatusCode, str]:
    """A message of a stream as the response to a unary call, or the status in its place."""
    try:
        fields = list(Splitter().fields(memoryview(data)))
    except MalformedMessageError:
        return data, grpc.StatusCode.OK, ""  # the client finds what is wrong
    texts = [each.content for each in fields if each.number == _ERROR and each.content]
    if texts:
        details = str(texts[-1], "utf-8", "replace")
        return b"", grpc.StatusCode.INVALID_ARGUMENT, details
    found = [each.content for each in fields if each.number == _RESPONSE and each.content]
    return b"".join(found), grpc.StatusCode.OK, ""


def _framed(response: bytes) -> bytes:
    return field_header(_RESPONSE, len(response)) + response
