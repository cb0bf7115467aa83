"""What identifies a request: its tensors and its parameters."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError
from tritonclient.grpc import service_pb2 as pb

from flowrun.kserve.cassette.content import Signature
from flowrun.kserve.wire.fields import REQUEST, MalformedMessageError, Splitter
from flowrun.kserve.wire.parameters import (
    ENABLE_FINAL,
    SEQUENCE_END,
    SEQUENCE_ID,
    SEQUENCE_START,
    TIMESTAMP,
)

_RAW_INPUTS = 7  # the last field of ModelInferRequest
_DIGITS = 32  # hexadecimal, of SHA-256
# They differ from run to run, or from mode to mode.
_IGNORED = {TIMESTAMP, ENABLE_FINAL, SEQUENCE_ID, SEQUENCE_START, SEQUENCE_END}


@dataclass(frozen=True, slots=True)
class Identity:
    """`timestamp` is the parameter by which OpenVINO Model Server matches the response."""

    digest: str
    signature: Signature
    id: str
    timestamp: int | None


def identify(message: bytes) -> Identity | None:
    """The identity of a ModelInferRequest. 4 ms for 1080p in RGB, of which SHA-256 takes all.

    `None` for a message without inputs, which only finds out what the server implements. Equal for
    equal tensors (names, datatypes, shapes, contents) and `transport.parameters`: the model, the
    requested outputs and what the client adds to tell requests apart do not count.
    """
    try:
        pieces, contents = Splitter().reduce(memoryview(message), REQUEST, _RAW_INPUTS)
        request = pb.ModelInferRequest.FromString(b"".join(pieces))
    except (MalformedMessageError, DecodeError):  # not made by flowrun
        return None
    if not request.inputs:
        return None
    signature = tuple((each.name, each.datatype, tuple(each.shape)) for each in request.inputs)
    parameters = {
        name: _value(value)
        for name, value in sorted(request.parameters.items())
        if name not in _IGNORED
    }
    digest = hashlib.sha256(json.dumps([signature, parameters]).encode())
    for tensor in request.inputs:
        digest.update(tensor.contents.SerializeToString(deterministic=True))
    for content in contents:
        digest.update(content)
    has_timestamp = TIMESTAMP in request.parameters  # indexing would add it
    timestamp = request.parameters[TIMESTAMP].int64_param if has_timestamp else None
    return Identity(digest.hexdigest()[:_DIGITS], signature, request.id, timestamp)


def _value(parameter: Any) -> Any:
    kind = parameter.WhichOneof("parameter_choice")
    return [kind, getattr(parameter, kind)] if kind else None
