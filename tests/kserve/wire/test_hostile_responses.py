"""Whatever bytes a server sends, they are what protobuf reads in them, or a `TransportError`."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2 as pb

from flowrun.errors import TransportError
from flowrun.kserve.wire.fields import MAX_FIELDS, field_header
from flowrun.kserve.wire.responses import Response, decode, decode_stream
from flowrun.kserve.wire.tensors import DATATYPES

LIMIT = 100.0  # seconds, a guard against hanging
AT_ONCE = 50  # mutations of one message in an example
OWN = {3, 4, 5, 6}  # fields of a ModelInferResponse, which a ModelStreamInferResponse does not have
UNKNOWN = [
    b"\x78\x05",  # a number
    b"\x79" + bytes(8),
    b"\x7a\x03\x32\x01x",  # bytes, which look like a field 6
    b"\x7d" + bytes(4),
    b"\x7b\x32\x01x\x7c",  # a group with a field 6
    b"\x7a\xff\xff\xff\xff\x0f",  # a length beyond the end
    b"\x32\x81\x80\x80\x00x",  # a length with more bytes than it needs
    b"\xb2\x80\x00\x01x",  # a tag with more bytes than it needs
]


def tensor_message(chance: random.Random) -> Any:
    message = pb.ModelInferResponse(
        model_name=chance.choice(["", "m"]), id=chance.choice(["", "7"])
    )
    message.model_version = chance.choice(["", "1", "v1.2", "00", "12"])
    for number in range(chance.randrange(3)):
        name, (dtype, field) = chance.choice(sorted(DATATYPES.items()))
        shape = [chance.choice([0, 1, 2, 3]) for _ in range(chance.randrange(4))]
        output = message.outputs.add(name=f"o{number}", datatype=name, shape=shape)
        if field and chance.random() < 0.2:
            getattr(output.contents, field).extend([1] * math.prod(shape))
        else:
            message.raw_output_contents.append(bytes(math.prod(shape) * dtype.itemsize))
        output.parameters["p"].bool_param = True
    if chance.random() < 0.5:
        message.parameters["n"].int64_param = chance.randrange(-5, 5)
        message.parameters["d"].double_param = math.nan
    return message


def valid(chance: random.Random) -> bytes:
    """The bytes of a response, bare or in a stream, or of an error."""
    message = tensor_message(chance)
    if chance.random() < 0.4:
        return bytes(message.SerializeToString())
    envelope = pb.ModelStreamInferResponse(error_message=chance.choice(["", "", "no"]))
    if chance.random() < 0.8:
        envelope.infer_response.CopyFrom(message)
    return bytes(envelope.SerializeToString())


def mutated(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randrange(5)):
        at = chance.randrange(len(changed) + 1)
        to = min(len(changed), at + chance.randrange(6))
        match chance.randrange(6):
            case 0:
                changed[at:to] = chance.randbytes(to - at)
            case 1:
                changed[at:to] = b""
            case 2:
                changed[at:at] = chance.choice(UNKNOWN)
            case 3:
                changed[at:at] = changed[chance.randrange(at + 1) : to]
            case 4:
                changed[at:to] = bytes(
                    chance.choice(b"\x00\x01\x7f\x80\xff") for _ in range(to - at)
                )
            case 5 if at < len(changed):
                changed[at] ^= 1 << chance.randrange(8)
    return bytes(changed)


def parsed(kind: Any, data: bytes) -> Any:
    try:
        return kind.FromString(data)
    except DecodeError:
        return None


def in_stream(data: bytes) -> tuple[Any, str | None] | None:
    """What protobuf finds in a message of a stream: a response and an error."""
    envelope, bare = parsed(pb.ModelStreamInferResponse, data), parsed(pb.ModelInferResponse, data)
    has_own = bare is not None and bool({each.number for each, _ in bare.ListFields()} & OWN)
    if envelope is None:
        return None if bare is None else (bare, None)
    if has_own and not envelope.infer_response.ListFields():
        return bare, None
    return envelope.infer_response, envelope.error_message or None


def tensors(message: Any) -> dict[str, Any] | None:
    """The outputs; `None` if one of them is not what its datatype and shape say."""
    raws = message.raw_output_contents
    if len(raws) != len(message.outputs):
        return None
    found = {}
    for output, raw in zip(message.outputs, raws, strict=True):
        if output.datatype not in DATATYPES or any(size < 0 for size in output.shape):
            return None
        try:
            array = np.frombuffer(raw, DATATYPES[output.datatype][0])
            found[output.name] = array.reshape(tuple(output.shape))
        except ValueError:
            return None
    return found


def compare(answer: Response, message: Any, error: str | None) -> None:
    assert (answer.id, answer.error) == (message.id, error)
    sent = {name: each.WhichOneof("parameter_choice") for name, each in message.parameters.items()}
    values = {name: getattr(message.parameters[name], kind) for name, kind in sent.items() if kind}
    assert repr(sorted(answer.parameters.items())) == repr(sorted(values.items()))
    assert (answer.problem is None) or answer.problem.condition == "malformed"
    if message.raw_output_contents and all(o.datatype != "BYTES" for o in message.outputs):
        expected = tensors(message)
        assert (answer.problem is None) == (expected is not None)
        for name, array in (expected or {}).items():
            assert answer.outputs[name].dtype == array.dtype
            np.testing.assert_array_equal(answer.outputs[name], array)


def check(data: bytes) -> None:
    message = parsed(pb.ModelInferResponse, data)
    if message is None:
        with pytest.raises(TransportError, match="that are not a valid response"):
            decode(data)
    else:
        compare(decode(data), message, None)
    found = in_stream(data)
    if found is None:
        with pytest.raises(TransportError, match="that are not a valid response"):
            decode_stream(data)
    else:
        compare(decode_stream(data), *found)


def mutate(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(AT_ONCE):
        data = mutated(valid(chance), chance)
        try:
            check(data)
        except Exception as error:
            raise AssertionError(f"{data!r}") from error


@given(st.integers(0, 2**64))
def test_a_mutated_response_is_what_protobuf_reads(seed: int) -> None:
    mutate(seed)


@pytest.mark.slow
@given(st.integers(0, 2**64))
@settings(max_examples=2000)
def test_a_hundred_thousand_mutated_responses_are_what_protobuf_reads(seed: int) -> None:
    mutate(seed)


@pytest.mark.parametrize("unknown", UNKNOWN[:5])
def test_an_unknown_field_of_a_stream_does_not_make_its_response_a_bare_one(unknown: bytes) -> None:
    message = pb.ModelStreamInferResponse(error_message="no")
    message.infer_response.id = "9"
    answer = decode_stream(message.SerializeToString() + unknown)
    assert (answer.id, answer.error) == ("9", "no")


def test_a_name_that_is_too_long_is_cut_in_messages() -> None:
    message = pb.ModelInferResponse()
    message.outputs.add(name="n" * 10**6, datatype="d" * 10**6)
    problem = decode(message.SerializeToString()).problem
    assert problem is not None
    assert len(str(problem)) < 1000


def test_an_error_that_is_too_long_is_cut() -> None:
    message = pb.ModelStreamInferResponse(error_message="a " * 10**6)
    error = decode_stream(message.SerializeToString()).error
    assert error is not None
    assert len(error) < 10_000


def outputs(count: int) -> bytes:
    message = pb.ModelInferResponse()
    for number in range(count):
        message.outputs.add(name=str(number), datatype="UINT8", shape=[0])
        message.raw_output_contents.append(b"")
    return bytes(message.SerializeToString())


def within(number: int, content: bytes) -> bytes:
    return field_header(number, len(content)) + content


JUNK = b"\x78\x01" * 20_000_000  # 40 MB
IN_STREAM = "unknown fields of a response in a stream"
HOSTILE = {
    "unknown fields": lambda: JUNK,
    "unknown fields of an output": lambda: within(5, JUNK),
    "unknown fields of the contents of an output": lambda: within(5, within(5, JUNK)),
    "unknown fields of a parameter": lambda: within(4, within(2, JUNK)),
    IN_STREAM: lambda: within(2, JUNK),
    "groups": lambda: b"\x7b" * 40_000_000,
    "outputs": lambda: outputs(100_000),
}


def readers(kind: str) -> tuple[Callable[[bytes], object], ...]:
    """What reads the response; alone, one in a stream would be a text of 40 MB."""
    return (decode_stream,) if kind == IN_STREAM else (decode, decode_stream)


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_response_of_too_many_fields_is_refused(kind: str) -> None:
    data = HOSTILE[kind]()
    for each in readers(kind):
        with pytest.raises(TransportError) as caught:
            each(data)
        text = f"the server sent {len(data)} bytes that have more than {MAX_FIELDS} fields"
        assert caught.value.message == text
        assert caught.value.condition == "malformed"


def test_a_response_of_many_outputs_is_read() -> None:
    assert len(decode(outputs(2000)).outputs) == 2000


MEASURE = """
import re
from flowrun.errors import TransportError
from tests.kserve.wire.test_hostile_responses import HOSTILE, readers
def most():  # bytes of memory that this process has had; unlike ru_maxrss not those of its parent
    return 1024 * int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1])
data = HOSTILE[{kind!r}]()
before = most()
for each in readers({kind!r}):
    try:
        each(data)
    except TransportError:
        pass
print((most() - before) / len(data))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=() if kind == "outputs" else pytest.mark.slow) for kind in HOSTILE],
)
def test_a_hostile_response_takes_no_more_memory_than_its_bytes(kind: str) -> None:
    script = MEASURE.format(kind=kind)
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=True)
    assert float(done.stdout) < 1
