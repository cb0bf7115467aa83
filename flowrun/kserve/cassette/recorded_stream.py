"""Record one stream."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flowrun.errors import TransportError
from flowrun.kserve.cassette.content import StreamEnd
from flowrun.kserve.wire.parameters import TIMESTAMP
from flowrun.kserve.wire.responses import decode_stream

if TYPE_CHECKING:
    from flowrun.kserve.cassette.recorder import Recorder


class RecordedStream:
    """Finds the request of each response, by its id or timestamp; `in_order`: by the order. The
    methods are for the two threads of the stream, one for its requests and one for its responses.

    A message that names no request (an error of OpenVINO Model Server, garbage) is kept until the
    stream ends, and then belongs to the oldest request before it without a response.
    """

    def __init__(self, recorder: Recorder, *, in_order: bool) -> None:
        self._recorder = recorder
        self._in_order = in_order
        self._lock = threading.Lock()
        self._sent: list[int] = []
        self._keys: dict[str | int, int] = {}
        self._answered: set[int] = set()
        self._anonymous: list[tuple[int, bytes]] = []  # the last request before it, message
        self._half_closed = self._cancelled = False

    def requests(self, messages: Iterator[bytes]) -> Iterator[bytes]:
        """`messages`, recorded as they are sent."""
        return iter(_Sent(messages, self))

    def sent(self, message: bytes) -> None:
        found = self._recorder.sent(message)
        if found is None:
            return
        number, identity = found
        with self._lock:
            self._sent.append(number)
            self._keys[identity.id] = number
            if identity.timestamp is not None:
                self._keys[identity.timestamp] = number

    def half_closed(self) -> None:
        with self._lock:
            self._half_closed = True

    def cancelled(self) -> None:
        """The client has cancelled the stream: its end is not the server's."""
        with self._lock:
            self._cancelled = True

    def received(self, data: bytes) -> None:
        data = self._recorder.masked_error(data)
        try:
            response = decode_stream(data)
            given_id, stamp = response.id, response.parameters.get(TIMESTAMP)
        except TransportError:
            given_id, stamp = "", None
        with self._lock:
            by_stamp = self._keys.get(stamp) if type(stamp) is int else None
            by_id = self._keys.get(given_id) if given_id else None
            number = by_stamp if by_id is None else by_id
            if self._in_order:
                open_ = (each for each in self._sent if each not in self._answered)
                number = next(open_, number)
            if number is None:
                if self._sent:
                    self._anonymous.append((self._sent[-1], data))
                return
            self._answered.add(number)
        self._recorder.responded(
            number,
            data,
            has_id=by_id == number and not self._in_order,
            has_timestamp=by_stamp == number,
        )

    def ended(self, code: str, details: str) -> None:
        with self._lock:
            silent = [each for each in self._sent if each not in self._answered]
            anonymous, cancelled = self._anonymous, self._cancelled
            drained = code == "OK" and self._half_closed
        for last, data in anonymous:
            owner = next((each for each in silent if each <= last), last)
            silent = [each for each in silent if each != owner]
            self._recorder.responded(owner, data)
        if cancelled:
            # By a client that has waited in vain, or closes: the latter ends without its requests.
            return
        if drained or not self._sent:
            for number in silent:
                self._recorder.unanswered(number)
            return
        final = self._sent[-1]
        for number in dict.fromkeys([*silent, final]):
            end = StreamEnd(
                self._recorder.since(number),
                code,
                self._recorder.masked(details),
                last=number == final,
                half_closed=self._half_closed,
            )
            self._recorder.ended(number, end)


class _Sent:
    """Not a generator, which would hold on to a message until the next one is there."""

    def __init__(self, messages: Iterator[bytes], stream: RecordedStream) -> None:
        self._messages = messages
        self._stream = stream

    def __iter__(self) -> _Sent:
        return self

    def __next__(self) -> bytes:
        try:
            message = next(self._messages)
        except StopIteration:
            self._stream.half_closed()
            raise
        self._stream.sent(message)
        return message
