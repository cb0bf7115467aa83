"""Record what a channel carries: requests, responses and calls about server and model."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from tritonclient.grpc import service_pb2 as pb

from flowrun.kserve.cassette.budget import Budget
from flowrun.kserve.cassette.content import (
    MAX_DETAILS,
    Header,
    RecordedCall,
    RecordedRequest,
    RecordedResponse,
    StreamEnd,
)
from flowrun.kserve.cassette.digest import Identity, identify
from flowrun.kserve.cassette.messages import is_error
from flowrun.kserve.cassette.recorded_stream import RecordedStream
from flowrun.kserve.cassette.recording_channel import RecordingChannel
from flowrun.kserve.cassette.writer import MAX_BYTES, CassetteWriter
from flowrun.kserve.channel import Channel
from flowrun.kserve.contract.servers import MLSERVER
from flowrun.kserve.header_secrets import secrets_pattern

_log = logging.getLogger("flowrun")


class Recorder:
    """Collects what a run exchanges with its model server, and writes it to the cassette at `path`.

    `stop` is called once, on any thread, when the cassette is full or cannot be written: then the
    run is to end. `timeout` is that of a request: one that was open for longer had no response.
    Values of `headers` that a server repeats in an error are replaced by asterisks.
    Raises `RunError` as `CassetteWriter`.
    """

    def __init__(
        self,
        path: Path,
        header: Header,
        *,
        timeout: float,
        headers: Mapping[str, str] | None = None,
        replace: bool = False,
        max_bytes: int = MAX_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stop: Callable[[], None] = lambda: None
        self._timeout = timeout
        self._secrets = secrets_pattern(headers or {})
        self._replace = replace
        self._clock = clock
        self._lock = threading.Lock()  # guards everything below
        self._requests: list[RecordedRequest] = []
        self._open: set[int] = set()  # requests whose outcome is not known yet
        self._calls: list[RecordedCall] = []
        self._budget = Budget()
        self._server: str | None = None
        self._began: float | None = None
        self._last = clock()  # when the last request was sent
        self._full = False
        self._writer = CassetteWriter(path, header, self._is_full, max_bytes)

    def wrap(self, channel: Channel) -> Channel:
        """`channel`, recorded from now on."""
        return RecordingChannel(channel, self)

    def finish(self) -> str | None:
        """Complete the cassette; what is in it, in words. `None`: the run has sent no request, and
        there is no file. Raises `RunError`. Once, when the channel is closed."""
        with self._lock:
            now = self._clock() - (self._began or 0.0)
            last = len(self._requests) - 1
            # Those that the end of the run has interrupted.
            while last in self._open and now - self._requests[last].at < self._timeout:
                self._requests.pop()
                last -= 1
            requests, calls = self._requests, self._calls
        if not requests:
            self._writer.discard()
            return None
        size = self._writer.finish(requests, calls, replace=self._replace)
        responses = sum(len(each.responses) for each in requests)
        return (
            f"{self._writer.path}: {len(requests)} requests, {responses} responses,"
            f" {size / 1e6:.1f} MB ({size / len(requests) / 1e3:.1f} kB for each request)"
        )

    # For the channel that is recorded.

    def called(
        self, method: str, response: bytes = b"", code: str = "OK", details: str = ""
    ) -> None:
        """A call about server or model has ended."""
        if method == "ServerMetadata" and code == "OK":
            try:
                self._server = pb.ServerMetadataResponse.FromString(response).name
            except DecodeError:
                self._server = None
        with self._lock:
            after = self._clock() - self._last if self._requests else 0.0
            call = RecordedCall(
                *(method, len(self._requests), round(after, 6), response, code),
                self.masked(details),
            )
            # Probes during an outage: of those with the same outcome the first one is enough.
            for known in reversed(self._calls):
                if known.before != call.before:
                    break
                if known.method == method:
                    if (known.response, known.code) == (response, code):
                        return
                    break
            if self._budget.call(response, call.details):
                self._calls.append(call)

    def sent(self, message: bytes) -> tuple[int, Identity] | None:
        """A request is sent now: its number. `None` for one that is not recorded. Waits until there
        is space for its response."""
        identity = identify(message)
        if identity is None:
            return None
        self._writer.wait_for_space()
        with self._lock:
            if self._full:
                return None
            now = self._last = self._clock()
            if self._began is None:
                self._began = now
            at = round(now - self._began, 6)
            self._requests.append(RecordedRequest(identity.digest, identity.signature, at))
            number = len(self._requests) - 1
            self._open.add(number)
            self._budget.request(identity.signature)
            full = self._budget.is_nearly_spent
        if full:
            self._is_full()
        return number, identity

    def responded(
        self, number: int, data: bytes, *, has_id: bool = False, has_timestamp: bool = False
    ) -> None:
        """A message has arrived for the request `number`."""
        part = self._writer.add(data)
        if part is None:
            return
        self._note(number, part=part, has_id=has_id, has_timestamp=has_timestamp)

    def failed(self, number: int, code: str, details: str) -> None:
        """The unary call of the request `number` has failed."""
        self._note(number, code=code, details=self.masked(details))

    def stream(self) -> RecordedStream:
        """A stream that is opened now."""
        return RecordedStream(self, in_order=self._server == MLSERVER)

    def ended(self, number: int, end: StreamEnd) -> None:
        """The stream of the request `number` has ended."""
        with self._lock:
            if self._budget.response(end.details):
                self._requests[number].end = end
            self._open.discard(number)

    def unanswered(self, number: int) -> None:
        """The request `number` will get no response, as the server has decided."""
        with self._lock:
            self._open.discard(number)

    def masked(self, details: str) -> str:
        """The text of a status, as it is kept."""
        if self._secrets:
            details = self._secrets.sub(lambda found: "*" * len(found[0]), details)
        return details[:MAX_DETAILS]

    def masked_error(self, data: bytes) -> bytes:
        """A message of a stream, with its secrets replaced if it is an error."""
        if not self._secrets or not is_error(data):
            return data
        pattern = self._secrets.pattern.encode()
        return re.sub(pattern, lambda found: b"*" * len(found[0]), data)

    def since(self, number: int) -> float:
        """Seconds since the request `number` was sent."""
        with self._lock:
            began = self._began or 0.0
            return round(max(0.0, self._clock() - began - self._requests[number].at), 6)

    def _note(self, number: int, **values: Any) -> None:
        response = RecordedResponse(self.since(number), **values)
        with self._lock:
            if self._budget.response(response.details):
                self._requests[number].responses.append(response)
            self._open.discard(number)
            full = self._budget.is_nearly_spent
        if full:
            self._is_full()

    def _is_full(self) -> None:
        with self._lock:
            was_full, self._full = self._full, True
        if was_full:
            return
        if self._writer.error is None:
            _log.warning("the cassette %s is full: the run ends", self._writer.path)
        self.stop()
