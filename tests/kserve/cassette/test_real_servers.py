"""Recordings of real servers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from flowrun.inference import Request
from flowrun.spec.flow import TransportSpec
from tests.testbed.cassettes import Recording
from tests.testbed.pictures import noise

LIMIT = 30.0  # seconds, a guard against hanging


def spec_of(address: str, model: str, mode: Any, **fields: Any) -> TransportSpec:
    fields = {"timeout": LIMIT, "first_timeout": LIMIT, "input": "image", **fields}
    return TransportSpec(mode, (address,), model, **fields)


def pictures(*numbers: int) -> list[Request]:
    return [Request({"image": noise(number, 48, 64)}) for number in numbers]


@pytest.mark.parametrize("mode", ["stream", "unary"])
@pytest.mark.parametrize("model", ["identity", "jitter", "resize320"])
def test_triton(triton_address: str, recording: Recording, mode: str, model: str) -> None:
    spec = spec_of(triton_address, model, mode)
    requests = pictures(*range(12))
    found = recording.record(spec, requests)
    assert recording.replay(spec, requests) == found
    assert all(each[1] == 1 for each in found)
    other = "unary" if mode == "stream" else "stream"
    assert recording.replay(spec, requests, mode=other) == found


@pytest.mark.parametrize("model", ["jitter_decoupled", "repeat"])
def test_triton_decoupled(triton_address: str, recording: Recording, model: str) -> None:
    """`repeat` responds as often as the first pixel's red says."""
    spec = spec_of(triton_address, model, "stream")
    requests = [
        Request({"image": np.full((4, 6, 3), (count, number, 0), np.uint8)})
        for number, count in enumerate([1, 0, 3, 2, 0, 1])
    ]
    found = recording.record(spec, requests)
    assert recording.replay(spec, requests) == found


@pytest.mark.parametrize("mode", ["stream", "unary"])
def test_triton_with_a_sequence(triton_address: str, recording: Recording, mode: str) -> None:
    spec = spec_of(triton_address, f"stateful_{mode}", mode, sequence=True, in_flight=1)
    requests = pictures(*range(6))
    found = recording.record(spec, requests)
    assert recording.replay(spec, requests) == found


@pytest.mark.parametrize("mode", ["stream", "unary"])
def test_mlserver(mlserver_address: str, recording: Recording, mode: str) -> None:
    spec = spec_of(mlserver_address, "identity", mode)
    requests = pictures(*range(12))
    found = recording.record(spec, requests)
    assert recording.replay(spec, requests) == found
