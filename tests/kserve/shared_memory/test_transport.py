"""Tensors in memory that is shared with a real Triton."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc as stubs

from flowrun.errors import ContractError, TransportError
from flowrun.inference import Request
from flowrun.kserve.connect import look_up, open_supervised, open_transport
from flowrun.kserve.contract.model_info import ModelTransport
from flowrun.spec.flow import TransportSpec
from tests.testbed.pictures import noise, through

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")

LIMIT = 30.0  # seconds, a guard against hanging
MODES = ["stream", "unary"]
MEMORY = Path("/dev/shm")
SPARE = 3  # regions of one kind, for one request: the thread that brought an answer may still hold
# what it has shown

Open = Callable[..., ModelTransport]


def ours() -> set[str]:
    """The regions of this process that are there."""
    return {path.name for path in MEMORY.glob(f"flowrun.{os.getpid()}.*")}


def registered(address: str) -> set[str]:
    """The regions that the server knows."""
    with grpc.insecure_channel(address) as channel:
        stub = stubs.GRPCInferenceServiceStub(channel)
        request = pb.SystemSharedMemoryStatusRequest()
        return set(stub.SystemSharedMemoryStatus(request, timeout=LIMIT).regions)


@pytest.fixture
def sharing() -> Iterator[Open]:
    """Open a transport with shared memory, which leaves nothing behind."""
    transports: list[ModelTransport] = []

    def build(address: str, mode: Any, model: str = "identity", **fields: Any) -> ModelTransport:
        fields = {"timeout": LIMIT, "shared_memory": "system", **fields}
        spec = TransportSpec(mode=mode, address=(address,), model=model, **fields)
        transports.append(open_transport(spec))
        return transports[-1]

    yield build
    for transport in transports:
        transport.close()
    assert ours() == set()


def spec_of(address: str, model: str = "identity", mode: Any = "unary") -> TransportSpec:
    return TransportSpec(mode, (address,), model, timeout=LIMIT, shared_memory="system")


def ask(transport: ModelTransport, image: Any) -> Any:
    """The answer to one request."""
    result = transport.submit(Request({"": image})).result(LIMIT)
    assert result is not None
    return result.only


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("model", ["identity", "jitter"])
def test_every_request_gets_its_own_picture_byte_for_byte_and_no_message_carries_one(
    triton_address: str, sharing: Open, joined: list[int], mode: str, model: str
) -> None:
    transport = sharing(triton_address, mode, model)
    assert transport.model.server == "triton"
    images = [noise(seed) for seed in range(40)]
    for number, image in enumerate(images):
        image[0, 0, 0] = 10 if number % 3 == 0 else 0  # milliseconds
    for image, result in zip(images, through(transport, images), strict=True):
        assert result is not None
        assert (result.only == image).all()
        assert not result.only.flags.writeable
    carried = [size > images[0].nbytes for size in joined]
    assert 1 <= sum(carried) <= 4  # the size of the responses is not known yet
    assert carried == sorted(carried, reverse=True)


@pytest.mark.parametrize("mode", MODES)
def test_a_region_is_not_reused_while_an_array_shows_it(
    triton_address: str, sharing: Open, mode: str
) -> None:
    transport = sharing(triton_address, mode)
    images = [noise(seed) for seed in range(30)]
    ask(transport, images[0])
    parts = [ask(transport, image)[10:20, ::2, 1] for image in images]
    for image, part in zip(images, parts, strict=True):
        assert (part == image[10:20, ::2, 1]).all()
    assert 31 <= len(ours()) <= 30 + SPARE  # one for each part, and the inputs'
    transport.close()
    assert ours() == set()
    assert (parts[7] == images[7][10:20, ::2, 1]).all()  # it outlives the connection


@pytest.mark.parametrize("mode", MODES)
def test_there_are_as_many_regions_as_tensors_at_once(
    triton_address: str, sharing: Open, mode: str
) -> None:
    transport = sharing(triton_address, mode)
    before = registered(triton_address)
    through(transport, [noise(seed) for seed in range(4)])
    for seed in range(100):
        through(transport, [noise(seed)])
    known = registered(triton_address) - before
    assert known == ours()
    assert 2 <= len(known) <= 2 * SPARE


@pytest.mark.parametrize("mode", MODES)
def test_closing_unregisters_all_regions(triton_address: str, sharing: Open, mode: str) -> None:
    transport = sharing(triton_address, mode, "jitter")
    image = noise(1)
    ask(transport, image)
    image[0, 0, 0] = 200  # milliseconds
    futures = [transport.submit(Request({"": image})) for _ in range(3)]
    shared = ours()
    assert len(shared) == 6
    transport.close()  # while the server is at work on them
    for future in futures:
        assert future.exception(LIMIT) is None or isinstance(future.exception(), TransportError)
    assert not shared & registered(triton_address)


@pytest.mark.parametrize("mode", MODES)
def test_a_request_whose_output_outgrows_its_region_is_sent_once_more(
    triton_address: str, sharing: Open, joined: list[int], mode: str
) -> None:
    transport = sharing(triton_address, mode, "grow")
    image = noise(1)
    for repeats in (1, 1, 2, 2, 1, 3):
        image[0, 0, 0] = repeats
        assert (ask(transport, image) == np.tile(image, (repeats, 1, 1))).all()
    carried = [size > image.nbytes for size in joined]
    #              learns 1, fits,  does not fit, fits,  fits,  does not fit
    assert carried == [True, False, False, True, False, False, False, True]


@pytest.mark.parametrize("mode", MODES)
def test_pictures_of_another_size_use_regions_of_their_own_size(
    triton_address: str, sharing: Open, joined: list[int], mode: str
) -> None:
    transport = sharing(triton_address, mode)
    for height in (48, 480, 48):
        for seed in range(3):
            image = noise(seed, height)
            assert (ask(transport, image) == image).all()
        assert 2 <= len(ours()) <= 2 * SPARE
    assert [size > 64 * 48 * 3 for size in joined] == [True, False, False] * 3


@pytest.mark.parametrize("mode", MODES)
def test_small_tensors_and_bytes_are_sent_in_messages_beside_large_ones(
    triton_address: str, sharing: Open, mode: str
) -> None:
    small = sharing(triton_address, mode)
    for seed in range(3):
        image = noise(seed, 8, 8)
        assert (ask(small, image) == image).all()
    assert ours() == set()
    transport = sharing(triton_address, mode, "label")
    text = np.array([b"a picture"], object)
    for seed in range(3):
        image = noise(seed)
        future = transport.submit(Request({"image": image, "text": text}))
        result = future.result(LIMIT)
        assert result is not None
        assert (result.outputs["output"] == image).all()
        assert result.outputs["label"].tolist() == [b"a picture"]
    assert 2 <= len(ours()) <= 2 * SPARE


@pytest.mark.parametrize("mode", MODES)
def test_an_error_of_the_model_fails_its_frame_only(
    triton_address: str, sharing: Open, mode: str
) -> None:
    transport = sharing(triton_address, mode, "repeat" if mode == "stream" else "grow")
    image = noise(1)
    image[0, 0, 0] = 1
    ask(transport, image)
    ask(transport, image)
    flat = image.reshape(-1)
    with pytest.raises(TransportError, match="answered"):
        ask(transport, flat)
    assert (ask(transport, image).shape) == image.shape


@pytest.mark.parametrize("mode", MODES)
def test_regions_are_registered_again_after_the_server_restarts(
    triton: Any, sharing: Open, mode: str
) -> None:
    transport = open_supervised(spec_of(triton.address, mode=mode), "hold")
    try:
        images = [noise(seed) for seed in range(12)]
        through(transport, images[:6])
        triton.kill()
        futures = [transport.submit(Request({"": image})) for image in images[6:9]]
        triton.start()
        for image, future in zip(images[6:9], futures, strict=True):
            result = future.result(LIMIT)
            assert result is not None
            assert (result.only == image).all()
            del result
        del futures
        for image in images[9:]:
            assert (ask(transport, image) == image).all()
        known = registered(triton.address)
        assert known
        assert known <= ours()
    finally:
        transport.close()
    assert registered(triton.address) == set()


@pytest.mark.parametrize("mode", MODES)
def test_no_frame_fails_when_the_server_loses_the_registrations(
    triton_address: str, sharing: Open, mode: str
) -> None:
    transport = sharing(triton_address, mode)
    image = noise(1)
    ask(transport, image)
    ask(transport, image)
    with grpc.insecure_channel(triton_address) as channel:
        stub = stubs.GRPCInferenceServiceStub(channel)
        forgotten = ours()
        for name in forgotten:
            stub.SystemSharedMemoryUnregister(
                pb.SystemSharedMemoryUnregisterRequest(name=name), timeout=LIMIT
            )
    for seed in range(3):
        assert (ask(transport, noise(seed)) == noise(seed)).all()
    assert len(ours() & registered(triton_address)) >= 2


KILLED = """
import sys
import numpy as np
from flowrun.inference import Request
from flowrun.kserve.connect import open_transport
from flowrun.spec.flow import TransportSpec
from tests.testbed.pictures import noise, through

mode, address = sys.argv[1:]
spec = TransportSpec(mode, (address,), "identity", shared_memory="system")
transport = open_transport(spec)
for _ in range(3):
    result = transport.submit(Request({"": np.zeros((48, 64, 3), np.uint8)})).result(30)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("mode", MODES)
def test_the_next_run_removes_the_regions_of_a_killed_one(
    triton_address: str, sharing: Open, mode: str
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, mode, triton_address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        left = {path.name for path in MEMORY.glob(f"flowrun.{process.pid}.*")}
        assert len(left) >= 3  # an input and an output, and the result that is held
        assert left <= registered(triton_address)

        sharing(triton_address, mode).close()  # which leaves alone what lives
        assert left == {path.name for path in MEMORY.glob(f"flowrun.{process.pid}.*")}
        assert left <= registered(triton_address)

        process.send_signal(signal.SIGKILL)
        process.wait(LIMIT)
        assert left == {path.name for path in MEMORY.glob(f"flowrun.{process.pid}.*")}

    sharing(triton_address, mode)
    assert not set(MEMORY.glob(f"flowrun.{process.pid}.*"))
    assert not left & registered(triton_address)


def test_a_server_without_the_extension_is_reported_before_the_first_frame(scripted: Any) -> None:
    server = scripted("triton")
    with pytest.raises(ContractError) as caught:
        open_transport(spec_of(server.address, "model"))
    assert str(caught.value) == (
        f"transport.shared_memory: the model server at {server.address} does not support shared"
        " memory\n"
        "  remove `shared_memory`; of the supported servers only Triton has it"
    )
    with pytest.raises(ContractError, match="does not support shared memory"):
        look_up(spec_of(server.address, "model"), (server.address,))
    assert ours() == set()


def test_a_server_that_cannot_map_the_memory_is_reported_before_the_first_frame(
    triton_address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from flowrun.kserve.shared_memory import region

    monkeypatch.setattr(region, "FOLDER", tmp_path)  # another machine's
    with pytest.raises(ContractError) as caught:
        open_transport(spec_of(triton_address))
    text = re.sub(r"flowrun\.\d+\.\w+\.\d+", "NAME", str(caught.value))
    assert text == (
        f"transport.shared_memory: the model server at {triton_address} cannot map shared memory of"
        " this machine: Unable to open shared memory region: '/NAME'\n"
        "  it must run on this machine, as the same user or as root, and in a container with"
        " `docker run --ipc=host`;\n"
        "  otherwise remove `shared_memory`"
    )
    assert list(tmp_path.iterdir()) == []
