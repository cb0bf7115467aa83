"""What a cassette answers to a request, and when. No threads, no clock, no gRPC calls."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import partial

import grpc
from google.protobuf.message import DecodeError
from tritonclient.grpc import service_pb2 as pb

from flowrun.errors import ContractError
from flowrun.kserve.cassette.checks import DamagedError
from flowrun.kserve.cassette.content import RecordedCall, RecordedResponse, StreamEnd
from flowrun.kserve.cassette.digest import Identity, identify
from flowrun.kserve.cassette.errors import damaged, unknown
from flowrun.kserve.cassette.matching import Matching
from flowrun.kserve.cassette.messages import error_message, stamped, to_stream, to_unary
from flowrun.kserve.cassette.reader import Cassette
from flowrun.kserve.conditions import NOT_NOW, of_status
from flowrun.kserve.contract.servers import MLSERVER, aborts_without_result
from flowrun.spec.flow import TransportSpec

_LATER_WITHIN = 1.0  # seconds for a later request, which a smaller window does not send


@dataclass(frozen=True, slots=True)
class Event:
    """A response to `request`, or the end of its stream, `after` so many seconds; `problem`: why
    there is none."""

    request: Identity
    after: float = 0.0
    response: RecordedResponse | None = None
    end: StreamEnd | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """A message, or the status with which a call ends."""

    data: bytes | None = None
    code: grpc.StatusCode = grpc.StatusCode.OK
    details: str = ""


class Replay:
    """The answers of `cassette` to a flow with this `spec`: at once, or after the recorded times.
    From any thread. Raises `ContractError` for a flow whose requests the cassette cannot answer."""

    def __init__(self, cassette: Cassette, spec: TransportSpec) -> None:
        check(cassette, spec)
        self._cassette = cassette
        self._is_paced = spec.replay_pace == "recorded"
        self._is_unary = spec.mode == "unary"
        self._was_unary = cassette.header.mode == "unary"
        self._lock = threading.Lock()  # guards the matching
        self._later_within = min(_LATER_WITHIN, spec.timeout / 2)
        self._matching = Matching(cassette.requests, spec.on_unknown)
        server = _server(cassette.calls)
        self._aborts = aborts_without_result(server)
        self._is_bare = server == MLSERVER

    def events(self, message: bytes) -> list[Event]:
        """What follows on a request, in order; empty for a request that gets no response."""
        request = identify(message)
        if request is None:
            return []
        with self._lock:
            found = self._matching.find(request)
        if found is None:
            count = len(self._cassette.requests)
            return [Event(request, problem=unknown(self._cassette.path, count))]
        recorded = self._cassette.requests[found]
        events = [Event(request, self._pace(each.after), each) for each in recorded.responses]
        if recorded.end is not None:
            # An end that belongs to a later request comes with that, or when it does not come.
            after = self._pace(recorded.end.after)
            if not recorded.end.last:
                after = max(recorded.end.after, self._later_within)
            events.append(Event(request, after, end=recorded.end))
        return events

    def unary(self, event: Event) -> Outcome:
        """The outcome of a unary call."""
        try:
            return self._unary(event)
        except DamagedError as error:
            text = damaged(self._cassette.path, str(error))
            return Outcome(code=grpc.StatusCode.DATA_LOSS, details=text)

    def in_stream(self, event: Event) -> Outcome:
        """The next message of a stream, or its end."""
        try:
            return self._in_stream(event)
        except DamagedError as error:
            text = damaged(self._cassette.path, str(error))
            return Outcome(error_message(text, event.request))

    def call(self, method: str, elapsed: float) -> RecordedCall | None:
        """What server or model have answered to `method` at this position; `elapsed` seconds after
        the last request. `None`: it was not called."""
        with self._lock:
            position = self._matching.position
        calls = [each for each in self._cassette.calls if each.method == method]
        past = [
            each
            for each in calls
            if each.before < position
            or (each.before == position and (not self._is_paced or each.after <= elapsed))
        ]
        return past[-1] if past else next(iter(calls), None)

    def close(self) -> None:
        self._cassette.close()

    def _pace(self, after: float) -> float:
        return after if self._is_paced else 0.0

    def _unary(self, event: Event) -> Outcome:
        if event.problem is not None:
            return Outcome(code=grpc.StatusCode.DATA_LOSS, details=event.problem)
        assert event.response is not None  # noqa: S101  # a stream with ends is refused
        if event.response.part is None:
            return Outcome(code=_status(event.response.code), details=event.response.details)
        data = self._cassette.response(event.response.part)
        if self._was_unary or self._is_bare:
            return Outcome(data)
        return Outcome(*to_unary(data))

    def _in_stream(self, event: Event) -> Outcome:
        if event.end is not None:
            return Outcome(code=_status(event.end.code), details=event.end.details)
        if event.response is None:
            return Outcome(error_message(event.problem or "no response", event.request))
        response = event.response
        if response.part is not None:
            data = self._cassette.response(response.part)
            stamp = to_stream if self._was_unary else partial(stamped, recorded=response)
            return Outcome(stamp(data, request=event.request))
        code = _status(response.code)
        if code is grpc.StatusCode.ABORTED and self._aborts:
            return Outcome(to_stream(b"", event.request))
        if of_status(code, response.details) in NOT_NOW:
            return Outcome(code=code, details=response.details)
        text = response.details or code.name
        return Outcome(error_message(text, event.request))


def check(cassette: Cassette, spec: TransportSpec) -> None:
    """Raise `ContractError` if the cassette is of another model, or cannot be replayed in the mode
    of the flow."""
    header, requests = cassette.header, cassette.requests
    if spec.model != header.model:
        raise ContractError(
            f"the cassette {cassette.path} is a recording of model {header.model!r}, not of"
            f" {spec.model!r}",
            key="transport.model",
            hint=f"model: {header.model}",
        )
    if spec.version is not None and header.model_version not in (None, spec.version):
        raise ContractError(
            f"the cassette {cassette.path} is a recording of version {header.model_version} of"
            f" the model, not of version {spec.version}",
            key="transport.version",
            hint=f"version: {header.model_version}",
        )
    others = sum(len(each.responses) != 1 or each.end is not None for each in requests)
    if spec.mode == "unary" and header.mode == "stream" and others:
        raise ContractError(
            f"the cassette {cassette.path} was recorded in a stream, and {others} of its"
            f" {len(requests)} requests do not have exactly one response",
            key="transport.mode",
            hint="mode: stream",
        )


def _server(calls: list[RecordedCall]) -> str | None:
    """The name that the server has given itself."""
    for call in calls:
        if call.method == "ServerMetadata" and call.code == "OK":
            try:
                return str(pb.ServerMetadataResponse.FromString(call.response).name)
            except DecodeError:
                return None
    return None


def _status(name: str) -> grpc.StatusCode:
    return grpc.StatusCode[name]
