"""How many pictures are alive when all queues are full, whatever the length of the run."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest

from flowrun.chain.compile import Threads, compile_flow
from flowrun.chain.fan_out import FanOut, SinkBranch
from flowrun.chain.stages import Stages
from flowrun.chain.threads import RunThreads
from flowrun.frame import Frame
from flowrun.inference import Request, Result
from flowrun.kserve.connect import open_supervised
from flowrun.kserve.contract.model_info import ModelTransport
from flowrun.kserve.server.embedded import serving
from flowrun.ledger.ledger import Ledger
from flowrun.operators.limit import Limit
from flowrun.spec.flow import BackpressureSpec, Flow, Limits, SinkSpec, SourceSpec, TransportSpec

LIMIT = 10.0  # seconds, a guard against hanging
BUFFER, WINDOW = 4, 4
IN_HAND = 1  # the frame that preprocessing passed on last


class World:
    """A source that runs ahead as far as it can, a real server, and a sink that waits until the
    window is full of results before each `every`th frame and then counts the source's pictures."""

    def __init__(self, mode: Any, frames: int, every: int) -> None:
        self.frames, self.every = frames, every
        self.counts: list[int] = []
        self.pictures: list[weakref.ref[Any]] = []
        self.answers: list[weakref.ref[Any]] = []
        self.given = 0
        self.answered = 0
        self.freed = False  # all of them, while the transport is open and waits for more
        self.changed = threading.Condition()
        self.flow = Flow(
            name="f",
            source=SourceSpec("in.mp4"),
            transport=TransportSpec(mode, ("embedded",), "identity", on_outage="hold"),
            sinks=(SinkSpec("null"),),
            backpressure=BackpressureSpec("every_frame", buffer=BUFFER),
            limits=Limits(),
        )

    def __iter__(self) -> Iterator[Frame]:
        for index in range(self.frames):
            self.note("given")
            yield self.frame(index)

    def frame(self, index: int) -> Frame:
        picture = np.full((24, 32, 3), index, np.uint8)
        self.watch(self.pictures, picture)
        return Frame(picture, index, index / 25, 1 / 25, 0.0)

    def submit(self, request: Request) -> Future[Result | None]:
        future = self.transport.submit(request)
        future.add_done_callback(self.note_answer)
        return future

    def note_answer(self, future: Future[Result | None]) -> None:
        result = future.result()
        assert result is not None
        self.watch(self.answers, result.only)
        self.note("answered")

    def watch(self, group: list[weakref.ref[Any]], picture: Any) -> None:
        group.append(weakref.ref(picture, lambda _: self.wake()))

    def wake(self) -> None:
        with self.changed:
            self.changed.notify_all()

    def note(self, what: str) -> None:
        with self.changed:
            setattr(self, what, getattr(self, what) + 1)
            self.changed.notify_all()

    def write(self, frame: Frame) -> None:
        assert (frame.image == frame.index).all()
        if frame.index % self.every:
            return
        inside = min(frame.index + WINDOW, self.frames)
        waiting = min(inside + BUFFER, self.frames)
        with self.changed:
            assert self.changed.wait_for(
                lambda: self.answered == inside and self.given == waiting, LIMIT
            )
        self.counts.append(alive(self.pictures))

    def close(self) -> None: ...
    def abort(self) -> None: ...

    def run(self) -> None:
        with ExitStack() as parts:
            address = parts.enter_context(serving(self.flow.transport))
            spec = self.flow.transport
            self.transport: ModelTransport = open_supervised(spec, "hold", address=address)
            parts.callback(self.transport.close)
            ledger, threads = Ledger(), RunThreads()
            stages = Stages(
                spec,
                preprocess=(),
                transport=self,
                postprocess=(),
                ledger=ledger,
                window=Limit(WINDOW),
            )
            on = Threads(threads.thread("source"), threads.thread("preprocess"), threads.main)
            branches = FanOut(ledger, [SinkBranch("sink", self)])
            chain = compile_flow(self.flow, self, stages, branches, ledger, on)
            errors: list[Exception] = []

            def failed(error: Exception) -> None:
                errors.append(error)
                threads.main.stop()

            subscription = chain.subscribe(on_error=failed, on_completed=threads.main.stop)
            try:
                threads.main.run()
            finally:
                subscription.dispose()
                assert threads.stop(LIMIT)
            assert not errors
            with self.changed:  # a thread of the transport may not have returned yet
                self.freed = self.changed.wait_for(
                    lambda: not alive(self.pictures) and not alive(self.answers), LIMIT
                )


def alive(pictures: list[weakref.ref[Any]]) -> int:
    return sum(reference() is not None for reference in pictures)


@pytest.fixture
def without_collector() -> Iterator[None]:
    gc.disable()  # what is only garbage counts as well
    yield
    gc.enable()


@pytest.mark.usefixtures("without_collector")
@pytest.mark.parametrize("mode", ["stream", "unary"])
@pytest.mark.parametrize("frames", [40, 80])
def test_after_the_model_no_picture_of_the_source_is_alive_that_no_stage_needs(
    mode: str, frames: int
) -> None:
    world = World(mode, frames, every=10)
    world.run()
    assert len(world.counts) == frames // 10
    assert max(world.counts) <= BUFFER + IN_HAND
    assert world.freed
