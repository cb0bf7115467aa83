"""Tensors that are allocated inside their messages."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.image.buffers import Buffers
from flowrun.inference import Request
from flowrun.kserve.wire.requests import join, pieces
from flowrun.kserve.wire.send_buffers import SendBuffers

SHAPE = (4, 6, 3)
SIZE = 72


def parts(array: Any, number: int = 1, **more: Any) -> list[bytes | memoryview]:
    return pieces("identity", None, str(number), {"image": array, **more}, {})


def message(send_buffers: SendBuffers, array: Any, number: int = 1, **more: Any) -> bytes:
    return send_buffers.message(parts(array, number, **more), Request({}))


@pytest.fixture
def send_buffers() -> SendBuffers:
    """After a first message."""
    made = SendBuffers()
    message(made, np.zeros(SHAPE, np.uint8))
    return made


def allocated(send_buffers: SendBuffers, value: int) -> Any:
    memory = send_buffers.allocate(SIZE)
    assert memory is not None
    memory[:] = value
    return memory.reshape(SHAPE)


def is_view_of(array: Any, data: bytes) -> bool:
    return np.shares_memory(array, np.frombuffer(data, np.uint8))


def test_a_tensor_in_allocated_memory_is_sent_without_a_copy(send_buffers: SendBuffers) -> None:
    array = allocated(send_buffers, 7)
    data = message(send_buffers, array, 2)
    assert is_view_of(array, data)
    assert data == join(parts(np.full(SHAPE, 7, np.uint8), 2), Request({}))


def test_before_a_message_and_for_another_size_nothing_is_allocated(
    send_buffers: SendBuffers,
) -> None:
    assert SendBuffers().allocate(SIZE) is None
    assert send_buffers.allocate(SIZE - 1) is None


def test_a_tensor_that_is_sent_twice_has_two_messages(send_buffers: SendBuffers) -> None:
    array = allocated(send_buffers, 7)
    first, second = message(send_buffers, array, 2), message(send_buffers, array, 3)
    assert (is_view_of(array, first), is_view_of(array, second)) == (True, False)
    assert first == join(parts(array, 2), Request({}))
    assert second == join(parts(array, 3), Request({}))


def test_part_of_an_allocated_tensor_is_copied(send_buffers: SendBuffers) -> None:
    array = allocated(send_buffers, 7)
    for part in (array[:2], array[1:], array[:, :2], array[::-1]):
        data = message(send_buffers, part)
        assert not is_view_of(array, data)
        assert data == join(parts(part), Request({}))


def test_a_longer_header_is_copied_once_and_then_has_buffers_of_its_own_length(
    send_buffers: SendBuffers,
) -> None:
    short = allocated(send_buffers, 7)
    assert not is_view_of(short, message(send_buffers, short, 10))
    long = allocated(send_buffers, 8)
    assert is_view_of(long, message(send_buffers, long, 11))


def test_message_and_tensor_outlive_each_other(send_buffers: SendBuffers) -> None:
    array = allocated(send_buffers, 7)
    expected = join(parts(array), Request({}))
    view = array[0]
    data = message(send_buffers, array)
    del array
    again = [allocated(send_buffers, value) for value in range(20)]
    assert data == expected
    del data
    again += [allocated(send_buffers, value) for value in range(20)]
    assert (view == 7).all()
    assert len({array.ctypes.data for array in again}) == len(again)


def test_a_tensor_that_is_never_sent_keeps_nothing() -> None:
    send_buffers = SendBuffers()
    large = np.zeros((1000, 1000, 3), np.uint8)
    message(send_buffers, large)
    tracemalloc.start()
    try:
        for _ in range(3):
            assert send_buffers.allocate(large.nbytes) is not None
        assert tracemalloc.get_traced_memory()[0] < large.nbytes / 10
    finally:
        tracemalloc.stop()


@given(st.data())
def test_whatever_is_sent_the_message_is_the_same_as_when_joined(data: st.DataObject) -> None:
    send_buffers, buffers = SendBuffers(), Buffers()
    buffers.allocate = send_buffers.allocate
    waiting: list[Any] = []
    number = st.integers(1, 200)
    shapes = st.sampled_from([SHAPE, (6, 4, 3), (2, 2, 3), (0, 2, 3)])
    for _ in range(data.draw(st.integers(1, 12))):
        if not waiting or data.draw(st.booleans()):
            picture = buffers.picture(data.draw(shapes))
            picture[:] = data.draw(st.integers(0, 255))
            waiting.append(picture)
            continue
        picture = waiting.pop(data.draw(st.integers(0, len(waiting) - 1)))
        form = data.draw(st.sampled_from(["as it is", "batch", "float", "beside", "text"]))
        array, more = picture, {}
        if form == "batch":
            array = picture[None]
        elif form == "float":
            array = picture.astype(np.float32)
        elif form == "beside":
            more = {"size": np.array(picture.shape)}
        elif form == "text":
            array = np.array([picture.tobytes()], object)
        given = data.draw(number)
        expected = join(parts(array.copy(), given, **more), Request({}))
        assert message(send_buffers, array, given, **more) == expected
