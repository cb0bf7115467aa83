"""What the transports keep in memory: one copy of the pictures of a request, and no response."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from flowrun.inference import Request
from flowrun.kserve.client.session import Session
from flowrun.kserve.client.window import Window
from flowrun.kserve.grpc_errors import GrpcErrors
from flowrun.spec.flow import TransportSpec

LIMIT = 10.0  # seconds, a guard against hanging
Build = Callable[..., Any]


@pytest.mark.parametrize("mode", ["stream", "unary"])
def test_a_releasable_array_is_freed_once_its_request_is_sent(
    scripted: Build, connect: Build, mode: str
) -> None:
    transport = connect(scripted(plan=["never"]), mode)
    freed = threading.Event()
    picture = np.full((2, 4, 3), 7, np.uint8)
    watched = weakref.ref(picture, lambda _: freed.set())
    request = Request({"": picture}, releasable=True)
    future = transport.submit(request)
    del picture
    assert freed.wait(LIMIT), watched()
    assert not future.done()
    assert (request.inputs[""] == 7).all()  # for another attempt


@pytest.mark.parametrize("mode", ["stream", "unary"])
def test_an_array_that_is_needed_elsewhere_stays_in_its_request(
    scripted: Build, connect: Build, mode: str
) -> None:
    picture = np.full((2, 4, 3), 7, np.uint8)
    request = Request({"": picture})
    assert connect(scripted(), mode).submit(request).result(LIMIT) is not None
    assert request.inputs[""] is picture


def test_a_message_of_a_stream_is_made_when_it_is_sent_and_not_before(
    scripted: Build, connect: Build
) -> None:
    transport = connect(scripted(plan=["silence"]))
    pictures = [
        np.full((1500, 2000, 3), n, np.uint8) for n in range(3)
    ]  # larger than the flow-control window
    requests = [Request({"": picture}, releasable=True) for picture in pictures]
    for request in requests:
        transport.submit(request)
    assert requests[-1].inputs[""] is pictures[-1]


class Message:
    """Replaces bytes, which cannot be referenced weakly."""


class Call:
    """A stream of three responses that records whether the previous one is alive when the next is
    requested."""

    def __init__(self) -> None:
        self.alive: list[bool] = []

    def __iter__(self) -> Iterator[Any]:
        for _ in range(3):
            message = Message()
            watched = weakref.ref(message)
            yield message
            del message
            self.alive.append(watched() is not None)


def test_waiting_for_the_next_response_keeps_none_alive() -> None:
    call, over = Call(), threading.Event()
    spec = TransportSpec("stream", ("h:1",), "m")
    session = Session(Window("id", 1, frozenset(), GrpcErrors(spec, "h:1")), 1)
    session.start(lambda _: call, iter(()), lambda _: None, lambda *_: over.set())
    assert over.wait(LIMIT)
    session.join(LIMIT)
    assert call.alive == [False] * 3
