"""A cassette that is cut off, foreign, damaged or hostile is an error with a message."""

from __future__ import annotations

import io
import json
import os
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowrun.errors import ContractError, TransportError
from flowrun.kserve.cassette import index, reader
from flowrun.kserve.cassette.content import MAX_INDEX, Header, RecordedCall, RecordedRequest
from flowrun.kserve.cassette.reader import Cassette
from flowrun.kserve.cassette.writer import CassetteWriter
from flowrun.kserve.connect import open_transport
from flowrun.spec.flow import TransportSpec
from tests.testbed.cassettes import COUNT, Recording, outcome, tensor

Build = Callable[..., Any]
HEADER = Header("flow", "2030-01-01T00:00:00+00:00", "1.0", "unary", "model")
VARIANTS = int(os.environ.get("FLOWRUN_DAMAGES", "0"))  # further damaged files


def error_of(path: Path) -> str:
    with pytest.raises(ContractError) as raised:
        Cassette(str(path))
    assert raised.value.key == "transport.address"
    return str(raised.value)


@pytest.fixture
def cassette(recorded: Build, recording: Recording) -> Path:
    recorded("triton", ["answer", "twice", "error with id", "answer", "end"], in_flight=1)
    return recording.path


def changed(path: Path, **entries: Any) -> Path:
    """The cassette with other entries: a value for JSON, or bytes."""
    with zipfile.ZipFile(path) as file:
        found: dict[str, Any] = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in {**found, **entries}.items():
            file.writestr(name, data if isinstance(data, bytes) else json.dumps(data))
    return path


def content(path: Path, name: str) -> Any:
    with zipfile.ZipFile(path) as file:
        return json.loads(file.read(name))


def test_a_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "no.tape"
    assert error_of(path) == (
        f"transport.address: there is no cassette {path}\n"
        "  relative paths are relative to the working directory"
    )


def test_a_file_that_was_cut_off(cassette: Path) -> None:
    cassette.write_bytes(cassette.read_bytes()[: cassette.stat().st_size // 2])
    assert error_of(cassette) == (
        f"transport.address: {cassette} is not a cassette, or it was cut off:"
        " File is not a zip file\n"
        "  record it again with `flowrun record`"
    )


def test_another_zip_file(tmp_path: Path) -> None:
    path = tmp_path / "other.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("readme.txt", "hello")
    assert "is damaged, or it is another file: There is no item named 'cassette.json'" in error_of(
        path
    )


def test_a_newer_version(cassette: Path) -> None:
    changed(cassette, **{"cassette.json": {**content(cassette, "cassette.json"), "version": 2}})
    assert error_of(cassette) == (
        f"transport.address: the cassette {cassette} has version 2 of the format, and this flowrun"
        " reads version 1\n  use a newer version of flowrun, or record it again with this one"
    )


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"requests": 1}, "requests is not a list of at most"),
        ({"requests": [1]}, "requests is not a mapping"),
        (
            {"requests": [{"digest": "a", "signature": 7, "at": 0}]},
            "signature is not a number from 0 to 0",
        ),
        ({"requests": [{"digest": "a", "signature": 0, "at": -1}]}, "at is not a time"),
        ({"requests": [{"digest": 1, "signature": 0, "at": 0}]}, "digest is not a text"),
        ({"signatures": [[["a", "UINT8", [-1]]]]}, "shape is not a number"),
        ({"calls": [{"method": "a", "code": "FINE"}]}, "there is no status 'FINE'"),
        ({"calls": [{"method": "a", "response": "?"}]}, "response: "),
    ],
)
def test_an_index_that_is_wrong(cassette: Path, values: Any, why: str) -> None:
    changed(cassette, **{"index.json": {**content(cassette, "index.json"), **values}})
    assert why in error_of(cassette)


@pytest.mark.parametrize("name", ["index.json", "cassette.json"])
def test_deeply_nested_json(cassette: Path, name: str) -> None:
    changed(cassette, **{name: b"[" * 50_000})
    error_of(cassette)


def test_what_would_be_large_is_not_decompressed(cassette: Path) -> None:
    changed(cassette, **{"index.json": b" " * (MAX_INDEX // 8)})
    assert f"index.json would have {MAX_INDEX // 8} bytes" in error_of(cassette)


def test_an_entry_that_declares_less_than_it_has(cassette: Path) -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("cassette.json", content(cassette, "cassette.json").__repr__() * 10_000)
    data = bytearray(bomb.getvalue())
    for signature, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        at = data.index(signature) + offset
        data[at : at + 4] = (100).to_bytes(4, "little")
    cassette.write_bytes(data)
    error_of(cassette)


def test_a_directory_that_is_too_large_is_not_read(
    cassette: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "_MAX_DIRECTORY", 100)
    assert "its directory has " in error_of(cassette)


def test_an_index_of_too_many_values_is_not_parsed(
    cassette: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "_MAX_VALUES", 10)
    assert "index.json has more than 10 values" in error_of(cassette)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compression_is_not_read(cassette: Path, method: int) -> None:
    header = content(cassette, "cassette.json")
    with zipfile.ZipFile(cassette, "w", method) as file:
        file.writestr("cassette.json", json.dumps(header))
    assert f"cassette.json has the compression method {method}" in error_of(cassette)


def test_a_text_that_is_not_unicode(cassette: Path) -> None:
    changed(cassette, **{"cassette.json": {**content(cassette, "cassette.json"), "flow": "\ud800"}})
    assert "flow is not Unicode" in error_of(cassette)


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tape")
    for path in (tmp_path, tmp_path / "pipe.tape"):
        assert f"cannot read the cassette {path}: it is not a file" in error_of(path)


def test_a_response_that_is_damaged_fails_one_frame(recorded: Build, recording: Recording) -> None:
    spec, found = recorded(mode="unary", in_flight=1)
    data = recording.path.read_bytes()
    with zipfile.ZipFile(recording.path) as file:
        entry = file.getinfo("responses/000003")
    at = entry.header_offset + 30 + len(entry.filename) + 4
    recording.path.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
    replayed = recording.replay(spec, [tensor(number) for number in range(COUNT)])
    assert replayed[2][:2] == ("TransportError", "refused")
    assert [*replayed[:2], *replayed[3:]] == [*found[:2], *found[3:]]


def test_numbers_texts_and_times_survive(tmp_path: Path) -> None:
    signature = (("image", "UINT8", (1, 2, 3)),)
    requests = [
        RecordedRequest("a" * 32, signature, 0.5),
        RecordedRequest("b" * 32, signature, 1.0),
    ]
    calls = [
        RecordedCall("ServerReady", 1, 0.25, b"\x08\x01"),
        RecordedCall("X", 0, 0.0, b"", "OK"),
    ]
    path = tmp_path / "a.tape"
    writer = CassetteWriter(path, HEADER, lambda: None)
    assert writer.add(b"response") == 1
    size = writer.finish(requests, calls, replace=False)
    assert size == path.stat().st_size
    cassette = Cassette(str(path))
    assert (cassette.header, cassette.requests, cassette.calls) == (HEADER, requests, calls)
    assert cassette.response(1) == b"response"
    cassette.close()


def damaged(data: bytes, random: random.Random) -> bytes:
    """`data` with one to eight changes."""
    found = bytearray(data)
    for _ in range(random.randint(1, 8)):
        at = random.randrange(len(found) + 1)
        kind = random.randrange(6)
        if kind == 0:
            del found[at:]
        elif kind == 1:
            del found[at : at + random.randrange(1, 60)]
        elif kind == 2:
            found[at:at] = random.randbytes(random.randrange(1, 60))
        elif kind == 3 and at < len(found):
            found[at] ^= 1 << random.randrange(8)
        elif kind == 4:
            found[at : at + 4] = random.choice([b"\xff" * 4, b"\0" * 4, b"\xff\xff\xff\x7f"])
        else:
            copied = found[at : at + random.randrange(1, 200)]
            to = random.randrange(len(found) + 1)
            found[to : to + len(copied)] = copied
        if not found:
            break
    return bytes(found)


def damaged_index(path: Path, random: random.Random) -> None:
    """The cassette with changes in its texts, under correct checksums."""
    with zipfile.ZipFile(path) as file:
        entries = {name: file.read(name) for name in file.namelist()}
    name = random.choice([*entries, "index.json", "index.json"])
    entries[name] = damaged(entries[name], random)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for each, data in entries.items():
            file.writestr(each, data)


@pytest.mark.parametrize("mode", ["stream", "unary"])
@settings(
    max_examples=VARIANTS or settings.default.max_examples,  # type: ignore[union-attr]
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
)
@given(seed=st.integers(0, 2**32), inside=st.booleans())
def test_a_damaged_cassette_has_errors_of_flowrun_only(
    cassette: Path, mode: Any, seed: int, inside: bool
) -> None:
    chance = random.Random(seed)
    path = cassette.with_name("damaged.tape")
    path.write_bytes(cassette.read_bytes())
    if inside:
        damaged_index(path, chance)
    else:
        path.write_bytes(damaged(cassette.read_bytes(), chance))
    spec = TransportSpec(*(mode, (f"replay:{path}",), "model"), timeout=0.05, first_timeout=0.05)
    try:
        transport = open_transport(spec)
    except (ContractError, TransportError):
        return
    try:
        for number in range(4):
            outcome(transport.submit(tensor(number)))
    finally:
        transport.close()
