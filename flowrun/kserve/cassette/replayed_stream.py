"""A stream that is answered from a cassette."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable, Iterator

import grpc

from flowrun.kserve.cassette.replay import Event, Replay


class StreamError(grpc.RpcError):
    """The stream has ended with another status than OK."""


class ReplayedStream:
    """Has what flowrun uses of a stream of gRPC. The thread `flowrun-replay-stream` takes the
    requests; whoever iterates waits for the responses and makes their messages."""

    def __init__(
        self, replay: Replay, clock: Callable[[], float], requests: Iterator[bytes]
    ) -> None:
        self._replay = replay
        self._clock = clock
        self._requests = requests
        self._changed = threading.Condition()  # guards everything below
        self._due: list[tuple[float, int, Event]] = []
        self._numbers = itertools.count()
        self._last: Event | None = None  # the end that waits for the client's half-close
        self._is_half_closed = False
        self._code: grpc.StatusCode | None = None
        self._details = ""

    def start(self) -> None:
        threading.Thread(target=self._take, name="flowrun-replay-stream", daemon=True).start()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        """The next message, when it is due. Raises `grpc.RpcError` if it ends with an error."""
        event = self._wait()
        if event is not None:
            outcome = self._replay.in_stream(event)
            if outcome.data is not None:
                return outcome.data
            self._end(outcome.code, outcome.details)
        if self._code is grpc.StatusCode.OK:
            raise StopIteration
        raise StreamError(self._details)

    def code(self) -> grpc.StatusCode:
        return self._code or grpc.StatusCode.UNKNOWN

    def details(self) -> str:
        return self._details

    def cancel(self) -> None:
        """From any thread, does not block."""
        self._end(grpc.StatusCode.CANCELLED, "Locally cancelled")

    def _wait(self) -> Event | None:
        """The next event; `None`: the stream has ended."""
        with self._changed:
            while True:
                if self._code is not None:
                    return None
                now = self._clock()
                if self._due and self._due[0][0] <= now:
                    return heapq.heappop(self._due)[2]
                if self._is_half_closed and not self._due:
                    if self._last is not None:
                        return self._last
                    self._code = grpc.StatusCode.OK
                    return None
                self._changed.wait(self._due[0][0] - now if self._due else None)

    def _end(self, code: grpc.StatusCode, details: str) -> None:
        with self._changed:
            if self._code is None:
                self._code, self._details = code, details
            self._changed.notify_all()

    # The thread that takes the requests.

    def _take(self) -> None:
        try:
            for message in self._requests:
                events = self._replay.events(message)
                del message  # or it stays in memory until the next one is there
                with self._changed:
                    if self._code is not None:
                        return
                    self._schedule(events)
                    self._changed.notify_all()
                if any(_ends_here(each) for each in events):
                    return  # the next request went over another stream
        except BaseException as error:  # a bug: the futures must not stay open
            self._end(grpc.StatusCode.INTERNAL, f"taking the requests: {error!r}")
            raise
        with self._changed:
            self._is_half_closed = True
            # Without ends that only wait for a later request.
            self._due = [each for each in self._due if each[2].end is None or each[2].end.last]
            heapq.heapify(self._due)
            self._changed.notify_all()

    def _schedule(self, events: list[Event]) -> None:
        now = self._clock()
        self._last = None
        for event in events:
            if event.end is not None and event.end.last and event.end.half_closed:
                self._last = event
                continue
            heapq.heappush(self._due, (now + event.after, next(self._numbers), event))


def _ends_here(event: Event) -> bool:
    """Whether the stream ends by itself after this request."""
    return event.end is not None and event.end.last and not event.end.half_closed
