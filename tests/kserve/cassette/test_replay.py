"""A cassette answers as the server did that was recorded."""

from __future__ import annotations

import json
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from flowrun.errors import ContractError
from flowrun.inference import Request
from flowrun.kserve.client.connection import open_connection
from flowrun.kserve.connect import look_up, open_transport
from tests.testbed.cassettes import COUNT, LIMIT, Recording, tensor

Build = Callable[..., Any]
ALL = [tensor(number) for number in range(COUNT)]
SHORT = 0.3  # seconds until a request is given up that the server does not answer
SLOW = pytest.mark.slow
STYLES = {"triton": False, "ovms": False, "plain": True, "mlserver": True, "flowrun": True}  # slow
PLANS = {
    "answers": [],
    "counts": ["answer", "twice", "answer", "nothing", "unknown"],
    "errors": ["answer", "error", "answer", "error with id", "malformed", "answer"],
    "ends": ["answer", "answer", "end", "answer", "answer", "status INVALID_ARGUMENT: bad"],
}


@pytest.mark.parametrize(
    ("style", "plan"),
    [
        pytest.param(style, plan, marks=SLOW if slow else (), id=f"{name}-{style}")
        for style, slow in STYLES.items()
        for name, plan in PLANS.items()
        # Without ids a second response is taken for that of the next request.
        if (style, name) != ("mlserver", "counts")
    ],
)
@pytest.mark.parametrize("window", [pytest.param(1, marks=SLOW), 3])
def test_a_stream_is_replayed_as_it_was(
    recorded: Build, recording: Recording, style: str, plan: list[str], window: int
) -> None:
    limit = SHORT if "nothing" in plan or "malformed" in plan else LIMIT
    spec, found = recorded(style, plan, in_flight=window, timeout=limit, first_timeout=limit)
    assert recording.replay(spec, ALL) == found


def test_a_request_without_a_response_has_none_again(recorded: Build, recording: Recording) -> None:
    plan = ["answer", "answer", "never"]
    spec, found = recorded("plain", plan, in_flight=1, timeout=SHORT, first_timeout=SHORT)
    assert found[2][0] == "DeadlineError"
    assert recording.replay(spec, ALL) == found


@pytest.mark.parametrize("window", [1, 3])
def test_unary_calls_are_replayed_as_they_were(
    recorded: Build, recording: Recording, window: int
) -> None:
    plan = ["answer", "status INTERNAL: broken", "nothing", "status ABORTED", "malformed"]
    spec, found = recorded("ovms", plan, mode="unary", in_flight=window)
    assert recording.replay(spec, ALL) == found


@pytest.mark.parametrize("mode", ["stream", "unary"])
def test_what_was_held_during_an_outage_is_sent_again(
    recorded: Build, recording: Recording, mode: str
) -> None:
    """Requests that the server refused for the moment are recorded, and the repetitions."""
    refused = "status UNAVAILABLE: Exceeds maximum queue size"
    plan = ["answer", refused, "answer", "answer", refused, refused]
    spec, found = recorded("triton", plan, mode=mode, policy="hold", in_flight=2)
    assert [each[0]["output"] for each in found] == [each.inputs["image"].tobytes() for each in ALL]
    replayed = replace(spec, address=(f"replay:{recording.path}",))
    assert recording.send(replayed, ALL, "hold") == found


def test_a_request_that_was_only_refused_is_not_repeated_for_ever(
    recorded: Build, recording: Recording
) -> None:
    plan = ["answer", "status UNAVAILABLE: Exceeds maximum queue size"]
    spec, found = recorded("triton", plan, mode="unary", policy="drop", in_flight=1)
    replayed = recording.send(replace(spec, address=(f"replay:{recording.path}",)), ALL[:2], "hold")
    assert replayed == [found[0], ("TransportError", "refused", None)]


@pytest.mark.parametrize(("mode", "other"), [("unary", "stream"), ("stream", "unary")])
def test_a_recording_is_replayed_in_the_other_mode(
    recorded: Build, recording: Recording, mode: Any, other: Any
) -> None:
    for style in ("plain", "triton", "mlserver"):
        spec, found = recorded(style, mode=mode)
        assert recording.replay(spec, ALL, mode=other) == found


def test_a_failed_unary_call_is_an_error_in_the_stream(
    recorded: Build, recording: Recording
) -> None:
    plan = ["answer", "status INTERNAL: broken", "status ABORTED", "answer"]
    spec, found = recorded("flowrun", plan, mode="unary", in_flight=1)
    replayed = recording.replay(spec, ALL, mode="stream")
    assert replayed[1] == ("TransportError", "doubtful", None)
    assert replayed[2] is None  # `found` has a result without outputs
    assert replayed[3:] == found[3:]


def test_a_stream_with_other_counts_cannot_be_replayed_as_unary_calls(
    recorded: Build, recording: Recording
) -> None:
    spec, _ = recorded("triton", ["answer", "twice"])
    with pytest.raises(ContractError) as raised:
        recording.replay(spec, ALL, mode="unary")
    assert str(raised.value) == (
        f"transport.mode: the cassette {recording.path} was recorded in a stream, and 1 of its"
        " 8 requests do not have exactly one response\n  mode: stream"
    )


@pytest.mark.parametrize("mode", ["stream", "unary"])
def test_dropped_frames_are_found_by_their_tensors(
    recorded: Build, recording: Recording, mode: str
) -> None:
    spec, found = recorded("triton", mode=mode)
    kept = [1, 2, 5, 7]
    assert recording.replay(spec, [ALL[each] for each in kept]) == [found[each] for each in kept]


@pytest.mark.parametrize("mode", ["stream", "unary"])
def test_the_recording_starts_over_with_its_source(
    recorded: Build, recording: Recording, mode: str
) -> None:
    spec, found = recorded(mode=mode)
    assert recording.replay(spec, [*ALL, *ALL]) == [*found, *found]


@pytest.mark.parametrize("mode", ["stream", "unary"])
def test_an_unknown_request_fails_alone_and_says_so(
    recorded: Build, recording: Recording, mode: Any
) -> None:
    spec, found = recorded(mode=mode)
    transport = open_transport(replace(spec, address=(f"replay:{recording.path}",)))
    try:
        transport.submit(tensor(0)).result(10)
        error = transport.submit(tensor(99)).exception(10)
        assert str(error) == (
            f"transport.address: the cassette {recording.path} has no response to this request:"
            " none of its 8 requests has the same tensors\n"
            "  record it again, or write `on_unknown: nearest` under `transport`"
        )
        assert error.condition == "refused"  # type: ignore[union-attr]
    finally:
        transport.close()
    replayed = recording.replay(spec, [ALL[0], tensor(99), *ALL[2:]])
    assert [*replayed[:1], *replayed[2:]] == [*found[:1], *found[2:]]


@pytest.mark.parametrize("mode", ["stream", "unary"])
def test_the_nearest_response_is_the_next_one(
    recorded: Build, recording: Recording, mode: str
) -> None:
    spec, found = recorded(mode=mode)
    requests = [ALL[0], tensor(99), *ALL[2:], tensor(98)]
    replayed = recording.replay(spec, requests, on_unknown="nearest")
    assert replayed == [*found, found[-1]]


def test_parameters_belong_to_the_request(recorded: Build, recording: Recording) -> None:
    spec, found = recorded(mode="unary", parameters={"threshold": 0.5})
    assert recording.replay(spec, ALL) == found
    other = recording.replay(spec, ALL, parameters={"threshold": 0.25})
    assert {each[:2] for each in other} == {("TransportError", "refused")}


def test_the_model_is_that_of_the_recording(recorded: Build, recording: Recording) -> None:
    spec, _ = recorded()
    replayed = replace(spec, address=(f"replay:{recording.path}",))
    server = look_up(replayed, replayed.address)
    assert (server.name, server.server) == ("model", "something")
    with pytest.raises(ContractError) as raised:
        recording.replay(replayed, ALL, model="other")
    assert str(raised.value) == (
        f"transport.model: the cassette {recording.path} is a recording of model 'model', not of"
        " 'other'\n  model: model"
    )


def test_another_shape_is_an_error_before_the_first_request(
    recorded: Build, recording: Recording
) -> None:
    spec, _ = recorded()
    other = Request({"image": tensor(1).inputs["image"].repeat(2, axis=0)})
    with pytest.raises(ContractError) as raised:
        recording.replay(spec, [other])
    assert str(raised.value) == (
        "transport.address: the flow sends 'image' UINT8 [4, 3, 3], but the cassette was recorded"
        " with 'image' UINT8 [2, 3, 3]\n"
        "  use the source and the hooks of the recording, or record it again"
    )


@pytest.mark.parametrize("mode", ["stream", "unary"])
def test_nothing_secret_is_in_the_file(recorded: Build, recording: Recording, mode: str) -> None:
    """Not even if the server repeats it."""
    plan = [
        "answer",
        "status INVALID_ARGUMENT: no tomato" if mode == "unary" else "error: no tomato here",
        "answer",
        "status INVALID_ARGUMENT: not Bearer tomato",
    ]
    spec, found = recorded(
        "triton", plan, mode=mode, headers={"authorization": "Bearer tomato"}, in_flight=1
    )
    assert len({each[0] for each in found if each[0] == "TransportError"}) == 1
    with zipfile.ZipFile(recording.path) as file:
        texts = [file.read(name) for name in file.namelist()]
    assert not any(b"tomato" in text or spec.address[0].encode() in text for text in texts)


def test_the_file_is_a_zip_file_with_a_version_in_front(
    recorded: Build, recording: Recording
) -> None:
    recorded(mode="unary")
    with zipfile.ZipFile(recording.path) as file:
        names = file.namelist()
        head = json.loads(file.read(names[0]))
    assert names == [
        "cassette.json",
        *(f"responses/{number:06d}" for number in range(1, COUNT + 1)),
        "index.json",
    ]
    assert head == {
        "format": "flowrun cassette",
        "version": 1,
        "flow": "flow",
        "recorded": "2030-01-01T00:00:00+00:00",
        "flowrun": "1.0",
        "mode": "unary",
        "model": "model",
        "model_version": None,
    }


@pytest.mark.parametrize("mode", ["stream", "unary"])
def test_closing_ends_the_wait_of_a_recorded_pace(
    recorded: Build, recording: Recording, mode: Any, threads: Callable[[], list[str]]
) -> None:
    spec, _ = recorded(mode=mode)
    slow_down(recording, seconds=3600.0)
    spec = replace(spec, address=(f"replay:{recording.path}",), replay_pace="recorded")
    spec = replace(spec, timeout=7200.0, first_timeout=7200.0)
    transport = open_transport(spec)
    future = transport.submit(tensor(0))
    began = time.monotonic()
    transport.close()
    assert future.exception(10) is not None
    assert time.monotonic() - began < 3600  # not the recorded time
    assert threads() == []


def slow_down(recording: Recording, seconds: float) -> None:
    """Let every response of the cassette take `seconds`."""
    with zipfile.ZipFile(recording.path) as file:
        entries = {name: file.read(name) for name in file.namelist()}
    index = json.loads(entries["index.json"])
    for request in index["requests"]:
        for response in request["responses"]:
            response["after"] = seconds
    entries["index.json"] = json.dumps(index).encode()
    with zipfile.ZipFile(recording.path, "w") as file:
        for name, data in entries.items():
            file.writestr(name, data)


def test_a_closed_channel_refuses_calls(recorded: Build, recording: Recording) -> None:
    spec, _ = recorded()
    replayed = replace(spec, address=(f"replay:{recording.path}",))
    connection = open_connection(replayed, replayed.address)
    connection.channel.close()
    connection.channel.close()
    with pytest.raises(ValueError, match="closed channel"):
        connection.ask("ServerReady", timeout=1)
