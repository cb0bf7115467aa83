"""The JSON of a cassette, written and read."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from flowrun.kserve.cassette.checks import (
    DamagedError,
    count,
    list_of,
    mapping,
    seconds,
    status,
    text,
)
from flowrun.kserve.cassette.content import (
    FORMAT,
    INDEX,
    MAX_INDEX,
    MAX_PART,
    MAX_REQUESTS,
    MAX_RESPONSES,
    VERSION,
    Header,
    RecordedCall,
    RecordedRequest,
    RecordedResponse,
    Signature,
    StreamEnd,
)

_MAX_DIMENSIONS = 64
_MAX_VERSION = 2**31
_MAX_VALUES = 8 * 2**20  # in the index; a recording has some ten per request
_MODES = ("stream", "unary")


class OtherVersionError(Exception):
    """The file has the version `number` of the format."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def write_header(header: Header) -> bytes:
    return json.dumps({"format": FORMAT, "version": VERSION, **asdict(header)}, indent=1).encode()


def write_index(requests: Sequence[RecordedRequest], calls: Sequence[RecordedCall]) -> bytes:
    """Each signature of the inputs once, and no value that is the default."""
    signatures: dict[Signature, int] = {}
    listed = []
    for each in requests:
        entry: dict[str, Any] = {
            "digest": each.digest,
            "signature": signatures.setdefault(each.signature, len(signatures)),
            "at": each.at,
        }
        if each.responses:
            entry["responses"] = [_changed(response) for response in each.responses]
        if each.end is not None:
            entry["end"] = asdict(each.end)
        listed.append(entry)
    called = [
        {**_changed(call), "response": base64.b64encode(call.response).decode()} for call in calls
    ]
    index = {"calls": called, "signatures": list(signatures), "requests": listed}
    return json.dumps(index, separators=(",", ":")).encode()


def _changed(entry: RecordedResponse | RecordedCall) -> dict[str, Any]:
    """The fields of `entry` that differ from their defaults."""
    defaults = {each.name: each.default for each in fields(entry)}
    return {name: value for name, value in asdict(entry).items() if value != defaults[name]}


def read_header(data: bytes) -> Header:
    """Raises `DamagedError`, and `OtherVersionError` for another version of the format."""
    head = json.loads(data)
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise DamagedError(f"its `format` is not {FORMAT!r}")
    number = count(head.get("version"), "version", _MAX_VERSION)
    if number != VERSION:
        raise OtherVersionError(number)
    mode = text(head.get("mode"), "mode")
    if mode not in _MODES:
        raise DamagedError(f"mode {mode[:20]!r}")
    version = head.get("model_version")
    return Header(
        flow=text(head.get("flow"), "flow"),
        recorded=text(head.get("recorded"), "recorded"),
        flowrun=text(head.get("flowrun"), "flowrun"),
        mode=mode,
        model=text(head.get("model"), "model"),
        model_version=None if version is None else text(version, "model_version"),
    )


class Index:
    """The content of an index. Raises `DamagedError`."""

    def __init__(self, data: bytes) -> None:
        if sum(map(data.count, (b",", b"[", b"{"))) > _MAX_VALUES:
            raise DamagedError(f"{INDEX} has more than {_MAX_VALUES} values")
        found = mapping(json.loads(data), INDEX)
        signatures = [
            _signature(each)
            for each in list_of(found.get("signatures"), "signatures", MAX_REQUESTS)
        ]
        self.calls = [_call(each) for each in list_of(found.get("calls"), "calls", MAX_REQUESTS)]
        self._left = MAX_RESPONSES
        listed = list_of(found.get("requests"), "requests", MAX_REQUESTS)
        self.requests = [self._request(each, signatures) for each in listed]

    def _request(self, entry: Any, signatures: list[Signature]) -> RecordedRequest:
        found = mapping(entry, "requests")
        signature = count(found.get("signature"), "signature", len(signatures) - 1)
        responses = list_of(found.get("responses", []), "responses", self._left)
        self._left -= len(responses)
        end = found.get("end")
        return RecordedRequest(
            digest=text(found.get("digest"), "digest"),
            signature=signatures[signature],
            at=seconds(found.get("at"), "at"),
            responses=[_response(each) for each in responses],
            end=None if end is None else _end(end),
        )


def _response(entry: Any) -> RecordedResponse:
    found = mapping(entry, "responses")
    part = found.get("part")
    code = status(found.get("code", "OK"))
    if (part is None) == (code == "OK"):
        raise DamagedError("a response has neither a part nor a status")
    return RecordedResponse(
        after=seconds(found.get("after", 0.0), "after"),
        part=None if part is None else count(part, "part", MAX_RESPONSES),
        code=code,
        details=text(found.get("details", ""), "details"),
        has_id=found.get("has_id") is True,
        has_timestamp=found.get("has_timestamp") is True,
    )


def _end(entry: Any) -> StreamEnd:
    found = mapping(entry, "end")
    return StreamEnd(
        after=seconds(found.get("after"), "after"),
        code=status(found.get("code")),
        details=text(found.get("details", ""), "details"),
        last=found.get("last") is True,
        half_closed=found.get("half_closed") is True,
    )


def _call(entry: Any) -> RecordedCall:
    found = mapping(entry, "calls")
    encoded = text(found.get("response", ""), "response", MAX_INDEX)
    try:
        response = base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise DamagedError(f"response: {error}") from error
    return RecordedCall(
        method=text(found.get("method"), "method"),
        before=count(found.get("before", 0), "before", MAX_REQUESTS),
        after=seconds(found.get("after", 0.0), "after"),
        response=response,
        code=status(found.get("code", "OK")),
        details=text(found.get("details", ""), "details"),
    )


def _signature(entry: Any) -> Signature:
    tensors = []
    for tensor in list_of(entry, "signatures", _MAX_DIMENSIONS):
        parts = list_of(tensor, "signatures", 3)
        if len(parts) != 3:  # noqa: PLR2004
            raise DamagedError("signatures: a tensor has a name, a datatype and a shape")
        shape = tuple(
            count(size, "shape", MAX_PART) for size in list_of(parts[2], "shape", _MAX_DIMENSIONS)
        )
        tensors.append((text(parts[0], "name"), text(parts[1], "datatype"), shape))
    return tuple(tensors)
