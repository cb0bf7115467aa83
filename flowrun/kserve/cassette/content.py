"""What a cassette holds: requests, their responses, and calls about server and model."""

from __future__ import annotations

from dataclasses import dataclass, field

FORMAT = "flowrun cassette"
VERSION = 1
HEADER, INDEX = "cassette.json", "index.json"  # entries of the zip file
MAX_REQUESTS = 200_000  # with a frame each, more than two hours at 25 frames per second
MAX_RESPONSES = 400_000
MAX_PART = 512 * 2**20  # bytes of a response
MAX_DETAILS = 1000  # characters of a status
MAX_HEADER = 65_536  # bytes
MAX_INDEX = 64 * 2**20  # bytes

# The inputs of a request: the name, the datatype and the shape of each.
Signature = tuple[tuple[str, str, tuple[int, ...]], ...]


def part_name(number: int) -> str:
    """The entry of the zip file with the response `number`."""
    return f"responses/{number:06d}"


@dataclass(frozen=True, slots=True)
class Header:
    """`flow` is the name of the flow that was recorded, `flowrun` the version that recorded it;
    `recorded` the date and time, ISO 8601. `model_version` is the one that the
    flow asks for, if any."""

    flow: str
    recorded: str
    flowrun: str
    mode: str
    model: str
    model_version: str | None = None


@dataclass(frozen=True, slots=True)
class RecordedResponse:
    """One response, `after` so many seconds: the message in the part `part`, or the status `code`
    with `details` of a unary call that failed. `has_id`, `has_timestamp`: it repeats the id, or the
    timestamp, of its request."""

    after: float
    part: int | None = None
    code: str = "OK"
    details: str = ""
    has_id: bool = False
    has_timestamp: bool = False


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """The end of a stream with the status `code`, `after` seconds since the request. `last`: no
    request followed over this stream; otherwise the end only left this one without a response.
    `half_closed`: the stream ended only when the client had half-closed it."""

    after: float
    code: str
    details: str = ""
    last: bool = True
    half_closed: bool = False


@dataclass(slots=True)
class RecordedRequest:
    """`digest` is that of its tensors and parameters; `at` seconds since the first request."""

    digest: str
    signature: Signature
    at: float
    responses: list[RecordedResponse] = field(default_factory=list)
    end: StreamEnd | None = None


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """A call about server or model, after `before` requests and `after` seconds since the last of
    them: the response, or the status `code`."""

    method: str
    before: int
    after: float
    response: bytes = b""
    code: str = "OK"
    details: str = ""
