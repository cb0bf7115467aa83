"""A channel that records what goes through it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import grpc

from flowrun.kserve.channel import SERVICE, Channel

if TYPE_CHECKING:
    from flowrun.kserve.cassette.recorded_stream import RecordedStream
    from flowrun.kserve.cassette.recorder import Recorder


class RecordingChannel:
    """`inner`, of which `recorder` gets every message, in both directions, as bytes."""

    def __init__(self, inner: Channel, recorder: Recorder) -> None:
        self._inner = inner
        self._recorder = recorder

    def unary_unary(self, method: str, *args: Any, **options: Any) -> Any:
        call = self._inner.unary_unary(method, *args, **options)
        return _Unary(call, method.removeprefix(SERVICE), self._recorder)

    def stream_stream(self, method: str, *args: Any, **options: Any) -> Any:
        call = self._inner.stream_stream(method, *args, **options)

        def opened(requests: Iterator[bytes], **options: Any) -> _StreamCall:
            stream = self._recorder.stream()
            return _StreamCall(call(stream.requests(requests), **options), stream)

        return opened

    def close(self) -> None:
        self._inner.close()


class _Unary:
    """A unary call: `ModelInfer` by `future`, the others by a call that blocks."""

    def __init__(self, inner: Any, method: str, recorder: Recorder) -> None:
        self._inner = inner
        self._method = method
        self._recorder = recorder

    def __call__(self, message: bytes, **options: Any) -> bytes:
        try:
            response: bytes = self._inner(message, **options)
        except grpc.RpcError as error:
            code, details = error.code().name, error.details() or ""
            self._recorder.called(self._method, code=code, details=details)
            raise
        self._recorder.called(self._method, response)
        return response

    def future(self, message: bytes, **options: Any) -> Any:
        sent = self._recorder.sent(message)
        call = self._inner.future(message, **options)
        if sent is not None:
            number = sent[0]
            call.add_done_callback(lambda ended: self._ended(number, ended))
        return call

    def _ended(self, number: int, call: Any) -> None:
        code, details = call.code(), call.details() or ""
        if code is grpc.StatusCode.OK:
            self._recorder.responded(number, call.result())
        elif not details.startswith("Locally cancelled"):  # by the client, which closes
            self._recorder.failed(number, code.name, details)


class _StreamCall:
    """The call of a stream, whose messages and end are recorded as they are read."""

    def __init__(self, inner: Any, stream: RecordedStream) -> None:
        self._inner = inner
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            data: bytes = next(self._inner)
        except StopIteration:
            self._stream.ended("OK", "")
            raise
        except grpc.RpcError:
            self._stream.ended(self._inner.code().name, self._inner.details() or "")
            raise
        self._stream.received(data)
        return data

    def code(self) -> Any:
        return self._inner.code()

    def details(self) -> Any:
        return self._inner.details()

    def cancel(self) -> None:
        self._stream.cancelled()
        self._inner.cancel()
