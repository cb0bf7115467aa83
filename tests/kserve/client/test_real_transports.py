"""The transports against real servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest

from flowrun.errors import ContractError, TransportError
from flowrun.inference import Request, Result
from flowrun.kserve.connect import open_supervised, open_transport
from flowrun.kserve.contract.model_info import ModelTransport
from flowrun.spec.flow import TransportSpec
from tests.testbed.pictures import noise, through

LIMIT = 30.0  # seconds, a guard against hanging
MODES = ["stream", "unary"]
Open = Callable[..., ModelTransport]


@pytest.fixture
def opened() -> Iterator[Open]:
    transports: list[ModelTransport] = []

    def build(address: str, mode: Any, model: str, **fields: Any) -> ModelTransport:
        spec = TransportSpec(mode=mode, address=(address,), model=model, **fields)
        transports.append(open_transport(spec))
        return transports[-1]

    yield build
    for transport in transports:
        transport.close()


@pytest.mark.parametrize("mode", MODES)
def test_triton_responds_to_every_request_with_its_own_picture(
    triton_address: str, opened: Open, mode: str
) -> None:
    transport = opened(triton_address, mode, "identity")
    assert transport.model.server == "triton"
    images = [noise(seed) for seed in range(40)]
    results = through(transport, images)
    for image, result in zip(images, results, strict=True):
        assert result is not None
        assert (result.only == image).all()
    assert transport.reopened == 0


@pytest.mark.parametrize("mode", MODES)
def test_what_exceeds_the_queue_of_triton_is_sent_again(triton_address: str, mode: Any) -> None:
    spec = TransportSpec(mode=mode, address=(triton_address,), model="queue")
    transport = open_supervised(spec, "hold")
    try:
        images = [noise(seed) for seed in range(16)]
        for image in images:
            image[0, 0, 0] = 10  # ms
        futures = [transport.submit(Request({"": image})) for image in images]
        for image, future in zip(images, futures, strict=True):
            result = future.result(LIMIT)
            assert result is not None
            assert (result.only == image).all()
    finally:
        transport.close()


@pytest.mark.parametrize("mode", MODES)
def test_the_first_response_of_triton_may_take_longer_than_the_timeout(
    triton_address: str, mode: Any
) -> None:
    spec = TransportSpec(mode, (triton_address,), f"slow_{mode}", timeout=1.0)
    transport = open_supervised(spec, "hold")
    try:
        futures = [transport.submit(Request({"": noise(seed)})) for seed in range(8)]
        assert all(future.result(LIMIT) is not None for future in futures)
    finally:
        transport.close()


def state(future: Future[Result | None]) -> list[int]:
    result = future.result(LIMIT)
    assert result is not None
    return [int(value) for value in result.only[0, 0]]


@pytest.mark.parametrize("mode", MODES)
def test_a_stateful_model_of_triton_gets_one_sequence(triton_address: str, mode: Any) -> None:
    spec = TransportSpec(mode, (triton_address,), f"stateful_{mode}", sequence=True)
    transport = open_supervised(spec, "hold")
    try:
        requests = [Request({"": noise(1)}, last=number == 4) for number in range(1, 7)]
        states = [state(transport.submit(each)) for each in requests]
        # After the last request Triton does not have this sequence, as after a second without one.
        first = states[0][0]  # of all sequences that the server has had
        numbers = [(0, 1, 0), (0, 2, 0), (0, 3, 0), (0, 4, 1), (1, 1, 0), (1, 2, 0)]
        assert states == [[first + sequence, *rest] for sequence, *rest in numbers]
    finally:
        transport.close()


@pytest.mark.parametrize("mode", MODES)
def test_a_stateful_model_of_triton_needs_a_sequence(
    triton_address: str, opened: Open, mode: str
) -> None:
    with pytest.raises(ContractError) as caught:
        opened(triton_address, mode, f"stateful_{mode}")
    assert str(caught.value) == (
        f"transport.sequence: model 'stateful_{mode}' is stateful: its requests need a sequence\n"
        "  write under `transport`:\n"
        "    sequence: true"
    )


@pytest.mark.parametrize(
    ("mode", "model"),
    [("stream", "jitter"), ("stream", "jitter_decoupled"), ("unary", "jitter")],
)
def test_responses_of_two_instances_are_matched_out_of_order(
    triton_address: str, opened: Open, mode: str, model: str
) -> None:
    transport = opened(triton_address, mode, model)
    images = [noise(seed) for seed in range(24)]
    for number, image in enumerate(images):
        image[0, 0, 0] = 60 if number % 3 == 0 else 0  # milliseconds
    for image, result in zip(images, through(transport, images), strict=True):
        assert result is not None
        assert (result.only == image).all()


@pytest.mark.parametrize("mode", MODES)
def test_a_4k_picture_passes_and_another_size_may_be_returned(
    triton_address: str, opened: Open, mode: str
) -> None:
    transport = opened(triton_address, mode, "resize320")
    (result,) = through(transport, [noise(1, 2160, 3840)])
    assert result is not None
    assert result.only.shape == (320, 320, 3)


def test_a_decoupled_model_may_send_none_to_three_responses(
    triton_address: str, opened: Open
) -> None:
    transport = opened(triton_address, "stream", "repeat")
    images = [noise(seed) for seed in range(8)]
    for number, image in enumerate(images):
        image[0, 0, 0] = number % 4
    for number, result in enumerate(through(transport, images)):
        if number % 4 == 0:
            assert result is None
        else:
            assert result is not None
            assert result.only[0, 0, 2] == number % 4 - 1  # the last response counts
    assert transport.reopened == 0


def test_an_error_in_a_stream_of_triton_fails_exactly_its_own_frame(
    triton_address: str, opened: Open
) -> None:
    transport = opened(triton_address, "stream", "identity")
    good = noise(1)
    futures = [
        transport.submit(Request({"": image}))
        for image in (good, good.astype(np.float32), good, good)
    ]
    with pytest.raises(TransportError, match=r"answered with an error: .*UINT8"):
        futures[1].result(LIMIT)
    for number in (0, 2, 3):
        assert futures[number].result(LIMIT) is not None
    assert transport.reopened == 0


@pytest.mark.parametrize("mode", MODES)
def test_triton_lists_its_models_if_the_name_is_misspelt(
    triton_address: str, opened: Open, mode: str
) -> None:
    with pytest.raises(ContractError) as caught:
        opened(triton_address, mode, "identiy")
    said = "transport.model: the server has no model 'identiy'\n  it has 'identity', "
    assert str(caught.value).startswith(said)


def test_triton_refuses_a_version_that_it_does_not_have(triton_address: str, opened: Open) -> None:
    with pytest.raises(ContractError) as caught:
        opened(triton_address, "unary", "identity", version="7")
    assert str(caught.value) == (
        "transport.version: model 'identity' has no version '7'\n"
        "  write under `transport`:\n"
        '    version: "1"'
    )


def test_a_unary_call_to_a_decoupled_model_says_what_to_write(
    triton_address: str, opened: Open
) -> None:
    with pytest.raises(ContractError) as caught:
        opened(triton_address, "unary", "repeat")
    assert str(caught.value) == (
        "transport.mode: model 'repeat' is decoupled: it sends any number of responses, which needs"
        " a stream\n"
        "  write under `transport`:\n"
        "    mode: stream"
    )


@pytest.mark.parametrize("mode", MODES)
def test_mlserver_responds_to_every_request_with_its_own_picture(
    mlserver_address: str, opened: Open, mode: str
) -> None:
    transport = opened(mlserver_address, mode, "identity")
    assert transport.model.server == "mlserver"
    images = [noise(seed) for seed in range(12)]
    for image, result in zip(images, through(transport, images), strict=True):
        assert result is not None
        assert (result.only == image).all()
    assert transport.reopened == 0


@pytest.mark.parametrize("mode", MODES)
def test_mlserver_names_a_model_that_it_does_not_have(
    mlserver_address: str, opened: Open, mode: str
) -> None:
    with pytest.raises(ContractError) as caught:
        opened(mlserver_address, mode, "identiy")
    assert caught.value.key == "transport.model"


def test_a_model_of_mlserver_that_cannot_stream_ends_every_request(
    mlserver_address: str, opened: Open
) -> None:
    transport = opened(mlserver_address, "stream", "unary_only", timeout=5.0)
    futures = [transport.submit(Request({"": noise(seed)})) for seed in range(3)]
    outcomes = [future.exception(LIMIT) for future in futures]
    assert outcomes[0] is None
    assert all(isinstance(each, (TransportError, type(None))) for each in outcomes)
