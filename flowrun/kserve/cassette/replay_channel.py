"""A channel to a cassette in place of a server."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from flowrun.kserve.cassette.replay import Event, Outcome, Replay
from flowrun.kserve.cassette.replayed_stream import ReplayedStream
from flowrun.kserve.channel import SERVICE

_LATE = Outcome(code=grpc.StatusCode.DEADLINE_EXCEEDED, details="no response")


class ReplayedError(grpc.RpcError):
    """The status of a call that has failed, as gRPC raises it."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(details)
        self._code = code
        self._details = details

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details


class ReplayChannel:
    """Answers every call from `replay`, without a server. Unary calls end on the thread
    `flowrun-replay`, which waits until they are due. `close` closes the replay, too."""

    def __init__(self, replay: Replay, clock: Callable[[], float] = time.monotonic) -> None:
        self._replay = replay
        self._clock = clock
        self._changed = threading.Condition()  # guards everything below
        self._due: list[tuple[float, int, ReplayedCall, Event | None]] = []
        self._numbers = itertools.count()
        self._last = clock()  # when the last request was sent
        self._thread: threading.Thread | None = None
        self._closed = False
        self._streams: list[ReplayedStream] = []

    def unary_unary(self, method: str, *_args: Any, **_options: Any) -> Any:
        return _Unary(self, method.removeprefix(SERVICE))

    def stream_stream(self, method: str, *_args: Any, **_options: Any) -> Any:
        def opened(requests: Iterator[bytes], **_options: Any) -> ReplayedStream:
            with self._changed:
                self._check_open()
                stream = ReplayedStream(self._replay, self._clock, self._noting_requests(requests))
                self._streams = [*self._streams[-1:], stream]
            stream.start()
            return stream

        return opened

    def close(self) -> None:
        """End every call. Idempotent, from any thread."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            calls = [each[2] for each in self._due]
            self._due.clear()
            self._changed.notify_all()
            thread = self._thread
        for stream in self._streams:
            stream.cancel()
        for call in calls:
            call.end(Outcome(code=grpc.StatusCode.CANCELLED, details="the channel was closed"))
        if thread is not None and thread is not threading.current_thread():
            thread.join(1.0)
        self._replay.close()

    # For the unary calls.

    def ask(self, method: str) -> bytes:
        """The recorded response to a call about server or model. Raises `grpc.RpcError`."""
        with self._changed:
            self._check_open()
            elapsed = self._clock() - self._last
        call = self._replay.call(method, elapsed)
        if call is None:
            text = f"{method} was not called in the recording"
            raise ReplayedError(grpc.StatusCode.UNIMPLEMENTED, text)
        if call.code != "OK":
            raise ReplayedError(grpc.StatusCode[call.code], call.details)
        return call.response

    def infer(self, message: bytes, timeout: float) -> ReplayedCall:
        call = ReplayedCall()
        events = self._replay.events(message)
        with self._changed:
            self._check_open()
            self._last = now = self._clock()
            event = events[0] if events and events[0].after <= timeout else None
            due = now + (timeout if event is None else event.after)
            heapq.heappush(self._due, (due, next(self._numbers), call, event))
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="flowrun-replay", daemon=True
                )
                self._thread.start()
            self._changed.notify_all()
        return call

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._closed:
                    return
                now = self._clock()
                if not self._due or self._due[0][0] > now:
                    self._changed.wait(self._due[0][0] - now if self._due else None)
                    continue
                _, _, call, event = heapq.heappop(self._due)
            call.end(_LATE if event is None else self._replay.unary(event))
            del call, event  # or they stay in memory until the next ones are there

    def _noting_requests(self, requests: Iterator[bytes]) -> Iterator[bytes]:
        for message in requests:
            with self._changed:
                self._last = self._clock()
            yield message
            del message

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError("Cannot invoke RPC on closed channel!")  # as gRPC


class _Unary:
    def __init__(self, channel: ReplayChannel, method: str) -> None:
        self._channel = channel
        self._method = method

    def __call__(self, _message: bytes, **_options: Any) -> bytes:
        return self._channel.ask(self._method)

    def future(self, message: bytes, *, timeout: float, **_options: Any) -> ReplayedCall:
        return self._channel.infer(message, timeout)


class ReplayedCall:
    """What flowrun uses of a future of gRPC."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._outcome: Outcome | None = None
        self._callbacks: list[Callable[[Any], object]] = []

    def code(self) -> grpc.StatusCode:
        return self._ended.code

    def details(self) -> str:
        return self._ended.details

    def result(self) -> bytes:
        """The response. Raises `grpc.RpcError`."""
        ended = self._ended
        if ended.data is None:
            raise ReplayedError(ended.code, ended.details)
        return ended.data

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        with self._lock:
            if self._outcome is None:
                self._callbacks.append(callback)
                return
        callback(self)

    def cancel(self) -> None:
        self.end(Outcome(code=grpc.StatusCode.CANCELLED, details="Locally cancelled"))

    def end(self, outcome: Outcome) -> None:
        """End the call, unless it has ended, and run its callbacks."""
        with self._lock:
            if self._outcome is not None:
                return
            self._outcome = outcome
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(self)

    @property
    def _ended(self) -> Outcome:
        assert self._outcome is not None, "the call has not ended"  # noqa: S101
        return self._outcome
