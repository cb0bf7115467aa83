"""Allocation and reuse of regions of shared memory, with a fake server and a fake transport."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.errors import ContractError, DeadlineError, TransportError
from flowrun.image.buffers import Buffers
from flowrun.inference import Request, Result, TensorInfo
from flowrun.kserve import connect as transport_module
from flowrun.kserve.contract.model_info import ModelInfo
from flowrun.kserve.grpc_errors import GrpcErrors
from flowrun.spec.flow import TransportSpec

if sys.platform != "linux":
    pytest.skip("Linux only", allow_module_level=True)

import fcntl

from flowrun.kserve.shared_memory import region as region_module
from flowrun.kserve.shared_memory.pool import CLOSE_TIMEOUT, Pool
from flowrun.kserve.shared_memory.transport import SharedMemoryTransport

SPEC = TransportSpec("unary", ("h:1",), "m", shared_memory="system")
MODEL = ModelInfo(
    "m",
    inputs=(TensorInfo("image", "UINT8", (-1, -1, 3)),),
    outputs=(TensorInfo("output", "UINT8", (-1, -1, 3)),),
)


class SaysNoError(grpc.RpcError):
    def __init__(self, code: grpc.StatusCode, details: str = "no") -> None:
        self._code, self._details = code, details

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details


class Server:
    """The calls for shared memory, and a channel to them. `says` is its response to all of them."""

    def __init__(self) -> None:
        self.known: set[str] = set()
        self.in_use: set[str] = set()
        self.says: grpc.StatusCode | None = None
        self.asked: list[str] = []

    def unary_unary(self, method: str, **_: Any) -> Callable[..., Any]:
        what = method.rpartition("Memory")[2]

        def call(request: Any, **_: Any) -> Any:
            self.asked.append(what)
            if self.says is not None:
                raise SaysNoError(self.says)
            return getattr(self, what)(request)

        return call

    def Register(self, request: Any) -> None:  # noqa: N802
        if request.name in self.known:
            raise SaysNoError(grpc.StatusCode.ALREADY_EXISTS)
        assert (region_module.FOLDER / request.name).stat().st_size == request.byte_size
        self.known.add(request.name)

    def Unregister(self, request: Any) -> None:  # noqa: N802
        if request.name in self.in_use:
            raise SaysNoError(grpc.StatusCode.INTERNAL, "it is currently in use")
        self.known.discard(request.name)

    def Status(self, _: Any) -> Any:  # noqa: N802
        return type("Status", (), {"regions": dict.fromkeys(self.known)})

    def close(self) -> None:
        pass


class Inner:
    """A transport whose answers the test makes: `answer(0)` repeats the input of the first request
    that is open."""

    reopened = 0

    def __init__(self) -> None:
        self.model = MODEL
        self.open: list[tuple[Request, Future[Result | None]]] = []

    def submit(self, request: Request) -> Future[Result | None]:
        future: Future[Result | None] = Future()
        self.open.append((request, future))
        return future

    def answer(self, index: int) -> None:
        request, future = self.open.pop(index)
        (image,) = request.inputs.values()
        if request.placement.inputs:  # as a server would, which sees the region only
            data = (region_module.FOLDER / request.placement.inputs["image"][0]).read_bytes()
            image = np.frombuffer(data, np.uint8, image.size).reshape(image.shape)
        place = request.placement.outputs.get("output")
        if place is not None:
            folder_file = region_module.FOLDER / place[0]
            with folder_file.open("r+b") as region:
                region.write(image.tobytes())
            image = np.frombuffer(place[1], np.uint8).reshape(image.shape)
        del request, place
        future.set_result(Result({"output": image}))

    def fail(self, index: int, error: Exception) -> None:
        self.open.pop(index)[1].set_exception(error)

    def names(self, index: int) -> set[str]:
        placement = self.open[index][0].placement
        found = [*placement.inputs.values(), *placement.outputs.values()]
        return {place[0] for place in found if place is not None}

    def close(self) -> None:
        while self.open:
            self.fail(0, TransportError("closed"))


class Parts:
    def __init__(self) -> None:
        self.server, self.inner = Server(), Inner()
        self.now = 0.0
        self.short: set[str] = set()  # regions with which the server is done within a second
        self.pool = Pool(
            self.server,  # type: ignore[arg-type]
            GrpcErrors(SPEC, "h:1"),
            sleep=self._sleep,
            clock=lambda: self.now,
        )
        self.transport = SharedMemoryTransport(self.inner, SPEC, self.pool)
        self.buffers = Buffers()
        self.buffers.allocate = self.pool.allocate

    def _sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.now > 1.0:
            self.server.in_use -= self.short

    def send(self, number: int = 0) -> Future[Result | None]:
        image = np.full((40, 40, 3), number, np.uint8)
        return self.transport.submit(Request({"": image}))

    def send_allocated(self, number: int = 0) -> tuple[Any, Future[Result | None]]:
        """The same with an image that lies in a region from the start."""
        image = self.buffers.picture((40, 40, 3))
        image[...] = number
        return image, self.transport.submit(Request({"": image}))

    def learn(self) -> None:
        """The first answer, by which the transport knows what to expect."""
        self.send()
        self.inner.answer(0)


def ours() -> set[str]:
    return {path.name for path in region_module.FOLDER.glob(f"flowrun.{os.getpid()}.*")}


@pytest.fixture
def parts() -> Iterator[Parts]:
    parts = Parts()
    yield parts
    parts.transport.close()
    assert ours() == set()


def test_a_region_is_reused_and_stays_registered(parts: Parts) -> None:
    parts.learn()
    used = []
    for number in range(5):
        parts.send(number)
        used.append(parts.inner.names(0))
        parts.inner.answer(0)
    assert used == [used[0]] * 5
    assert len(used[0]) == 2
    assert parts.server.asked == ["Register"] * 2


def test_a_picture_in_a_region_is_sent_from_there_and_registered_only_then(
    parts: Parts,
) -> None:
    parts.learn()
    before = ours()
    _image, future = parts.send_allocated(7)
    names = parts.inner.names(0)
    assert len(names) == 2  # the picture's own, and one for the answer
    assert names == ours() - before
    assert parts.server.known == names
    parts.inner.answer(0)
    result = future.result()
    assert result is not None
    assert (result.only == 7).all()


def test_an_allocated_region_is_reused_when_no_view_of_the_picture_is_left(
    parts: Parts,
) -> None:
    parts.learn()
    image, future = parts.send_allocated(1)
    names = parts.inner.names(0)
    parts.inner.answer(0)
    del future
    held, image = image[::2, :, 1], None
    _, future = parts.send_allocated(2)
    assert len(parts.inner.names(0) & names) == 1  # the answer's
    assert (held == 1).all()
    parts.inner.answer(0)
    del held, future
    parts.send_allocated(3)
    parts.send_allocated(4)
    assert len((parts.inner.names(0) | parts.inner.names(1)) & names) == 2


def test_an_allocated_region_is_not_reused_after_its_request_failed(parts: Parts) -> None:
    parts.learn()
    image, _late = parts.send_allocated()
    names = parts.inner.names(0)
    parts.inner.fail(0, DeadlineError("no answer", code="DEADLINE_EXCEEDED"))
    parts.transport.submit(Request({"": image}))  # once more, as after an outage
    assert len(parts.inner.names(0) & names) == 1  # no server writes there
    del image
    parts.inner.answer(0)
    parts.send_allocated()
    assert not parts.inner.names(0) & names


@pytest.mark.parametrize(
    "part",
    [lambda image: image.transpose(1, 0, 2), lambda image: image[1:], lambda image: image[:1]],
)
def test_a_part_of_an_allocated_picture_is_copied(parts: Parts, part: Callable[[Any], Any]) -> None:
    image = parts.buffers.picture((40, 40, 3))
    image[...] = np.random.default_rng(1).integers(0, 256, image.shape, np.uint8)
    for _ in range(2):
        future = parts.transport.submit(Request({"": part(image)}))
        parts.inner.answer(0)
        result = future.result()
        assert result is not None
        assert (result.only == part(image)).all()


def test_without_shared_memory_pictures_are_in_memory_of_the_process(
    parts: Parts, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "posix_fallocate", no_memory)
    for _ in range(2):
        assert parts.buffers.picture((40, 40, 3)).base is None
    assert ours() == set()
    assert len(caplog.messages) == 1


def test_the_regions_of_a_failed_request_are_never_reused(parts: Parts) -> None:
    parts.learn()
    late = parts.send()
    names = parts.inner.names(0)
    parts.server.in_use = set(names)
    parts.inner.fail(0, DeadlineError("no answer", code="DEADLINE_EXCEEDED"))
    assert isinstance(late.exception(), DeadlineError)
    parts.send()
    assert not parts.inner.names(0) & names
    assert not names & ours()
    assert names <= parts.server.known  # the server still uses them
    parts.server.in_use = set()
    parts.send()
    assert not names & parts.server.known


@pytest.mark.parametrize("code", ["UNAVAILABLE", "CANCELLED"])
def test_after_an_outage_regions_are_registered_again(parts: Parts, code: str) -> None:
    parts.learn()
    first, second = parts.send(1), parts.send(2)
    kept = parts.inner.names(1)
    parts.inner.answer(1)
    del second
    parts.server.known.clear()
    parts.inner.fail(0, TransportError("gone", code=code))
    assert first.exception() is not None
    parts.send()
    assert parts.inner.names(0) == kept
    assert kept <= parts.server.known


def test_an_error_about_shared_memory_sends_the_request_again_in_a_message(
    parts: Parts,
) -> None:
    parts.learn()
    future = parts.send(7)
    parts.inner.fail(0, TransportError("Unable to find shared memory region: 'x'"))
    assert not future.done()
    assert parts.inner.names(0) == set()
    parts.inner.fail(0, TransportError("again: shared memory"))  # and no third time
    assert str(future.exception()) == "transport: again: shared memory"
    assert parts.inner.open == []


def test_while_the_server_is_unavailable_requests_are_sent_in_messages_without_a_warning(
    parts: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    parts.learn()
    parts.server.says = grpc.StatusCode.UNAVAILABLE
    parts.send(3)
    assert parts.inner.names(0) == set()
    assert caplog.messages == []
    assert ours() == set()
    parts.server.says = None
    parts.send(3)
    assert len(parts.inner.names(1)) == 2


def no_memory(*_: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_without_shared_memory_requests_are_sent_in_messages_with_one_warning(
    parts: Parts, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts.learn()
    monkeypatch.setattr(os, "posix_fallocate", no_memory)
    for number in range(3):
        parts.send(number)
        assert parts.inner.names(number) == set()
    assert caplog.messages == [
        "cannot allocate shared memory (No space left on device); tensors without shared memory are"
        " sent in messages"
    ]


def test_without_any_shared_memory_the_flow_is_refused(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "posix_fallocate", no_memory)
    with pytest.raises(TransportError) as caught:
        parts.pool.prepare()
    assert str(caught.value) == (
        "transport.shared_memory: cannot allocate shared memory (No space left on device)\n"
        "  in a container, raise the limit: `docker run --shm-size=1g`"
    )


def test_closing_waits_for_the_server_to_finish(parts: Parts) -> None:
    parts.learn()
    parts.send()
    parts.server.in_use = parts.short = parts.inner.names(0)
    parts.transport.close()
    assert 1.0 < parts.now < 1.1
    assert parts.server.known == set()


def test_closing_times_out(parts: Parts) -> None:
    parts.learn()
    parts.send()
    parts.server.in_use = parts.inner.names(0)
    parts.transport.close()
    assert CLOSE_TIMEOUT <= parts.now <= CLOSE_TIMEOUT + 0.1
    assert ours() == set()


def test_closing_does_not_wait_for_an_unavailable_server(parts: Parts) -> None:
    parts.learn()
    parts.send()
    parts.server.says = grpc.StatusCode.UNAVAILABLE
    parts.transport.close()
    assert parts.now == 0.0


def test_on_other_systems_than_linux_the_flow_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(ContractError) as caught:
        transport_module._open_pool(SPEC, ("h:1",))
    assert str(caught.value) == (
        "transport.shared_memory: flowrun shares memory with a server on Linux only, and this is"
        " darwin\n"
        "  leave `shared_memory` out"
    )


def test_after_closing_nothing_is_allocated(parts: Parts) -> None:
    parts.learn()
    parts.transport.close()
    assert parts.pool.take("input image", 5000) is None
    assert parts.buffers.picture((40, 40, 3)).base is None


def test_a_sweep_removes_unlocked_regions_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(region_module, "FOLDER", tmp_path)
    held = region_module.Region("x", 4096)
    dead = tmp_path / f"flowrun.{os.getpid()}.0123abcd.7"  # of an earlier process of this number
    others = [tmp_path / name for name in ("flowrun.1.x", "flowrun-1-0123abcd-1", "sem.flowrun")]
    for path in (dead, *others):
        path.touch()
    region_module.sweep()
    assert set(tmp_path.iterdir()) == {tmp_path / held.name, *others}
    assert not region_module.is_left_over(held.name)
    assert region_module.is_left_over(dead.name)
    assert not region_module.is_left_over("somebody.else's")
    held.unlink()
    assert set(tmp_path.iterdir()) == set(others)


def test_a_region_that_a_sweep_removes_during_its_creation_is_created_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(region_module, "FOLDER", tmp_path)
    flock = fcntl.flock
    swept: list[bool] = []

    def slow(file: int, operation: int) -> None:
        if not swept:
            swept.append(True)
            region_module.sweep()
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", slow)
    region = region_module.Region("x", 4096)
    assert (tmp_path / region.name).exists()
    region.array()
    region.unlink()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["send", "allocated", "answer", "fail", "forget"]), st.integers(0, 5)
    ),
    max_size=60,
)


@given(STEPS)
def test_whatever_is_answered_fails_or_is_kept_each_array_shows_its_own_answer(
    steps: list[tuple[str, int]],
) -> None:
    parts = Parts()
    parts.learn()
    kept: list[tuple[int, Any]] = []
    sent: list[tuple[int, Future[Result | None]]] = []
    most = 1
    for number, (step, index) in enumerate(steps):
        if step == "send":
            sent.append((number, parts.send(number)))
        elif step == "allocated":
            image, future = parts.send_allocated(number)
            sent.append((number, future))
            kept.append((number, image[1:]))
            del image, future
        elif step == "forget" and kept:
            kept.pop(index % len(kept))
        elif step in ("answer", "fail") and sent:
            at = index % len(sent)
            value, future = sent.pop(at)
            if step == "fail":
                parts.inner.fail(at, TransportError("no"))
            else:
                parts.inner.answer(at)
                result = future.result()
                assert result is not None
                kept.append((value, result.only[::2]))
                del result
            del future
        most = max(most, len(sent) + len(kept))
        assert all((array == value).all() for value, array in kept)
        in_use = [name for place in range(len(sent)) for name in parts.inner.names(place)]
        assert len(in_use) == len(set(in_use))
        assert len(ours()) <= 3 * most + 2
    parts.transport.close()
    assert ours() == set()
    assert all((array == value).all() for value, array in kept)
