"""Delivered values are freed at once: frames are too large to wait for the garbage collector."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from concurrent.futures import Future

import pytest
import reactivex
from reactivex import operators as ops

from flowrun.operators.in_flight import in_flight
from flowrun.operators.loop import LoopScheduler


class Value:
    """Something that can be watched."""


@pytest.fixture
def without_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_collector")
@pytest.mark.parametrize("answered_at_once", [True, False])
def test_in_flight_keeps_no_reference_to_delivered_values(answered_at_once: bool) -> None:
    alive: list[weakref.ref[Value]] = []
    futures: list[Future[Value]] = []
    loop = LoopScheduler()

    def submit(item: Value) -> Future[Value]:
        future: Future[Value] = Future()
        answer = Value()
        alive.extend([weakref.ref(item), weakref.ref(answer)])
        if answered_at_once:
            future.set_result(answer)
        else:
            loop.schedule(lambda *_: future.set_result(answer))
        futures.append(future)
        return future

    chain = reactivex.range(3).pipe(ops.map(lambda _: Value()), in_flight(submit, 4, loop))
    chain.subscribe(on_completed=loop.stop)
    loop.run()
    futures.clear()
    assert len(alive) == 6
    assert [reference() for reference in alive] == [None] * 6
