"""Read a cassette, whatever its bytes."""

from __future__ import annotations

import base64
import json
import math
import threading
import zipfile
import zlib
from pathlib import Path
from typing import Any

import grpc

from flowrun.errors import ContractError
from flowrun.kserve.cassette.content import (
    FORMAT,
    HEADER,
    INDEX,
    MAX_HEADER,
    MAX_INDEX,
    MAX_PART,
    MAX_REQUESTS,
    MAX_RESPONSES,
    VERSION,
    Form,
    Header,
    RecordedCall,
    RecordedRequest,
    RecordedResponse,
    StreamEnd,
    part_name,
)

KEY = "transport.address"
_HINT = "record it again with `flowrun record`"
_RATIO = 1100  # by which deflate shrinks data at most
_JSON_RATIO = 50  # by which it shrinks an index that flowrun has written, at most
_LONGEST = 1e6  # seconds
_MAX_TEXT = 4096  # characters of a status
_MAX_DIMENSIONS = 64
_MODES = ("stream", "unary")
# What the zip file of Python raises for bytes that are none.
_DAMAGES = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,  # encrypted; RecursionError, of JSON
    OverflowError,
    ValueError,  # of JSON and of UTF-8, too
    KeyError,  # no such entry
    MemoryError,
)


class DamagedError(Exception):
    """The file is no cassette; the text says where it deviates."""


class Cassette:
    """The cassette at `path`, open until `close`. The index is in memory, responses are read when
    they are needed. From any thread.

    Nothing is decompressed beyond the size that the directory of the zip file declares, which has
    a bound, and no more than deflate can make of the bytes that there are.

    Raises `ContractError`, with the key `transport.address`, for a file that cannot be read, is no
    cassette, is damaged, or is of a newer version.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            self._size = Path(path).stat().st_size
            self._zip = zipfile.ZipFile(path)
        except FileNotFoundError as error:
            hint = "relative paths are relative to the working directory"
            raise ContractError(f"there is no cassette {path}", key=KEY, hint=hint) from error
        except OSError as error:
            text = f"cannot read the cassette {path}: {error.strerror or error}"
            raise ContractError(text, key=KEY) from error
        except _DAMAGES as error:
            text = f"{path} is not a cassette, or it was cut off: {_reason(error)}"
            raise ContractError(text, key=KEY, hint=_HINT) from error
        try:
            head = self._json(HEADER, MAX_HEADER)
            self._check_version(head)
            self.header = _header(head)
            index = _Index(self._json(INDEX, MAX_INDEX))
            self.calls, self.requests = index.calls, index.requests
        except OSError as error:
            self._zip.close()
            raise ContractError(f"cannot read the cassette {path}: {error}", key=KEY) from error
        except (DamagedError, *_DAMAGES) as error:
            self._zip.close()
            raise ContractError(
                f"the cassette {path} is damaged, or it is another file: {_reason(error)}",
                key=KEY,
                hint=_HINT,
            ) from error
        except BaseException:
            self._zip.close()
            raise

    def response(self, part: int) -> bytes:
        """The message in a part. Raises `DamagedError`."""
        try:
            return self._read(part_name(part), MAX_PART)
        except (OSError, *_DAMAGES) as error:
            raise DamagedError(f"{part_name(part)}: {_reason(error)}") from error

    def close(self) -> None:
        with self._lock:
            self._zip.close()

    def _check_version(self, head: Any) -> None:
        if not isinstance(head, dict) or head.get("format") != FORMAT:
            raise DamagedError(f"{HEADER} does not say {FORMAT!r}")
        version = head.get("version")
        if not isinstance(version, int) or isinstance(version, bool) or version < 1:
            raise DamagedError(f"{HEADER}: `version` is not a number")
        if version > VERSION:
            raise ContractError(
                f"the cassette {self.path} has version {version} of the format, and this flowrun"
                f" reads version {VERSION}",
                key=KEY,
                hint="install a newer flowrun, or record it again with this one",
            )

    def _json(self, name: str, limit: int) -> Any:
        return json.loads(self._read(name, limit))

    def _read(self, name: str, limit: int) -> bytes:
        with self._lock:
            entry = self._zip.getinfo(name)
            ratio = _RATIO if name.startswith("responses/") else _JSON_RATIO
            packed = min(entry.compress_size, self._size)
            if entry.file_size > min(limit, ratio * packed + MAX_HEADER):
                raise DamagedError(f"{name} would have {entry.file_size} bytes")
            with self._zip.open(entry) as file:
                # One byte more: whether it ends there, and its checksum, are looked at.
                data = file.read(entry.file_size + 1)
        if len(data) != entry.file_size:
            raise DamagedError(f"{name} has {len(data)} bytes instead of {entry.file_size}")
        return data


def _header(head: dict[str, Any]) -> Header:
    mode = _text(head.get("mode"), "mode")
    if mode not in _MODES:
        raise DamagedError(f"mode {mode[:20]!r}")
    version = head.get("model_version")
    return Header(
        flow=_text(head.get("flow"), "flow"),
        recorded=_text(head.get("recorded"), "recorded"),
        flowrun=_text(head.get("flowrun"), "flowrun"),
        mode=mode,
        model=_text(head.get("model"), "model"),
        model_version=None if version is None else _text(version, "model_version"),
    )


class _Index:
    """The checked content of the index. Raises `DamagedError`."""

    def __init__(self, index: Any) -> None:
        found = _mapping(index, INDEX)
        forms = [_form(each) for each in _list(found.get("forms"), "forms", MAX_REQUESTS)]
        self.calls = [_call(each) for each in _list(found.get("calls"), "calls", MAX_REQUESTS)]
        self._left = MAX_RESPONSES
        listed = _list(found.get("requests"), "requests", MAX_REQUESTS)
        self.requests = [self._request(each, forms) for each in listed]

    def _request(self, entry: Any, forms: list[Form]) -> RecordedRequest:
        found = _mapping(entry, "requests")
        form = _count(found.get("form"), "form", len(forms) - 1)
        responses = _list(found.get("responses", []), "responses", self._left)
        self._left -= len(responses)
        end = found.get("end")
        return RecordedRequest(
            digest=_text(found.get("digest"), "digest"),
            form=forms[form],
            at=_seconds(found.get("at"), "at"),
            responses=[_response(each) for each in responses],
            end=None if end is None else _end(end),
        )


def _response(entry: Any) -> RecordedResponse:
    found = _mapping(entry, "responses")
    part = found.get("part")
    code = _code(found.get("code", "OK"))
    if (part is None) == (code == "OK"):
        raise DamagedError("a response has neither a part nor a status")
    return RecordedResponse(
        after=_seconds(found.get("after", 0.0), "after"),
        part=None if part is None else _count(part, "part", MAX_RESPONSES),
        code=code,
        details=_text(found.get("details", ""), "details"),
        has_id=found.get("has_id") is True,
        has_timestamp=found.get("has_timestamp") is True,
    )


def _end(entry: Any) -> StreamEnd:
    found = _mapping(entry, "end")
    return StreamEnd(
        after=_seconds(found.get("after"), "after"),
        code=_code(found.get("code")),
        details=_text(found.get("details", ""), "details"),
        last=found.get("last") is True,
        half_closed=found.get("half_closed") is True,
    )


def _call(entry: Any) -> RecordedCall:
    found = _mapping(entry, "calls")
    text = _text(found.get("response", ""), "response", MAX_INDEX)
    try:
        response = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise DamagedError(f"response: {error}") from error
    return RecordedCall(
        method=_text(found.get("method"), "method"),
        before=_count(found.get("before", 0), "before", MAX_REQUESTS),
        after=_seconds(found.get("after", 0.0), "after"),
        response=response,
        code=_code(found.get("code", "OK")),
        details=_text(found.get("details", ""), "details"),
    )


def _form(entry: Any) -> Form:
    tensors = []
    for tensor in _list(entry, "forms", _MAX_DIMENSIONS):
        parts = _list(tensor, "forms", 3)
        if len(parts) != 3:  # noqa: PLR2004
            raise DamagedError("forms: a tensor has a name, a datatype and a shape")
        shape = tuple(
            _count(size, "shape", MAX_PART) for size in _list(parts[2], "shape", _MAX_DIMENSIONS)
        )
        tensors.append((_text(parts[0], "name"), _text(parts[1], "datatype"), shape))
    return tuple(tensors)


def _mapping(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DamagedError(f"{name} is not a mapping")
    return value


def _list(value: Any, name: str, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise DamagedError(f"{name} is not a list of at most {most}")
    return value


def _text(value: Any, name: str, most: int = _MAX_TEXT) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise DamagedError(f"{name} is not a text of at most {most} characters")
    return value


def _count(value: Any, name: str, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise DamagedError(f"{name} is not a number from 0 to {most}")
    return value


def _seconds(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DamagedError(f"{name} is not a number of seconds")
    if not (math.isfinite(value) and 0 <= value <= _LONGEST):
        raise DamagedError(f"{name} is not a time")
    return float(value)


def _code(value: Any) -> str:
    name = _text(value, "code")
    if name not in grpc.StatusCode.__members__:
        raise DamagedError(f"there is no status {name[:20]!r}")
    return name


def _reason(error: Exception) -> str:
    return str(error.args[0]) if error.args else type(error).__name__
