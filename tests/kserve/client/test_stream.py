"""One stream for all requests, against a server that follows a script."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowrun.errors import DeadlineError, TransportError
from flowrun.inference import Request
from flowrun.kserve.client.connection import Connection
from flowrun.kserve.client.stream import StreamTransport
from flowrun.kserve.contract.model_info import ModelInfo
from flowrun.kserve.grpc_errors import GrpcErrors
from flowrun.spec.flow import TransportSpec

LIMIT = 10.0  # seconds, a guard against hanging
SHORT = 0.2
TIMESTAMP = "OVMS_MP_TIMESTAMP"
STYLES = ["ovms", "triton", "plain"]
Build = Callable[..., Any]


def picture(number: int) -> npt.NDArray[np.uint8]:
    return np.full((2, 4, 3), number, np.uint8)


def submit(transport: Any, *numbers: int) -> list[Any]:
    return [transport.submit(Request({"": picture(number)})) for number in numbers]


def outcomes(futures: Sequence[Any]) -> list[Any]:
    """What each future ended with: the number of the picture, `None`, or the type of the error."""
    ends: list[Any] = []
    for future in futures:
        error = future.exception(LIMIT)
        result = None if error else future.result()
        if error is not None:
            ends.append(type(error))
        else:
            ends.append(None if result is None else int(result.outputs["output"][0, 0, 0]))
    return ends


@pytest.mark.parametrize("style", [*STYLES, "mlserver"])
def test_every_response_is_matched_to_its_request(
    scripted: Build, connect: Build, style: str
) -> None:
    server = scripted(style)
    transport = connect(server)
    assert outcomes(submit(transport, *range(50))) == list(range(50))
    assert (server.streams, transport.reopened) == (1, 0)


def test_on_ovms_requests_have_increasing_microseconds_of_the_epoch(
    scripted: Build, connect: Build
) -> None:
    server = scripted("ovms")
    before = time.time_ns() // 1000
    outcomes(submit(connect(server), *range(20)))
    stamps = [request.parameters[TIMESTAMP].int64_param for request in server.requests]
    assert stamps == sorted(set(stamps))
    assert before <= stamps[0] < before + 60_000_000


@pytest.mark.parametrize("style", ["triton", "plain", "mlserver"])
def test_elsewhere_no_request_has_a_timestamp(scripted: Build, connect: Build, style: str) -> None:
    server = scripted(style)
    outcomes(submit(connect(server), 1, 2))
    assert all(TIMESTAMP not in request.parameters for request in server.requests)
    assert len({request.id for request in server.requests}) == 2


def test_elsewhere_the_flow_may_ask_for_timestamps(scripted: Build, connect: Build) -> None:
    server = scripted("plain")
    transport = connect(server, correlation="timestamp")
    assert outcomes(submit(transport, 1, 2)) == [1, 2]
    assert TIMESTAMP in server.requests[0].parameters


def test_only_triton_is_asked_for_its_final_flag(scripted: Build, connect: Build) -> None:
    for style in [*STYLES, "mlserver"]:
        server = scripted(style)
        outcomes(submit(connect(server, parameters={"seed": 3}), 1))
        extra = {"ovms": {TIMESTAMP}, "triton": {"triton_enable_empty_final_response"}}
        assert set(server.requests[0].parameters) == {"seed"} | extra.get(style, set())


def test_side_packets_are_sent_again_on_the_next_stream(scripted: Build, connect: Build) -> None:
    server = scripted("ovms", ["status INVALID_ARGUMENT"])
    transport = connect(server, parameters={"model_complexity": 1})
    assert outcomes(submit(transport, 1)) == [TransportError]
    assert outcomes(submit(transport, 2)) == [2]
    for request in server.requests:
        assert request.parameters["model_complexity"].int64_param == 1


@pytest.mark.parametrize("style", STYLES)
def test_responses_out_of_order_twice_and_unknown_do_no_harm(
    scripted: Build, connect: Build, style: str
) -> None:
    server = scripted(style, ["twice", "answer", "twice", "answer"])
    transport = connect(server)
    assert outcomes(submit(transport, 0, 1, 2, 3)) == [0, 1, 2, 3]
    server.plan = [*["answer"] * 4, "late", "answer"]
    late = [4, 5] if style != "ovms" else [None, 5]  # timestamps increase
    assert outcomes(submit(transport, 4, 5)) == late


def test_several_outputs_of_a_graph_are_joined(scripted: Build, connect: Build) -> None:
    outputs = [("output", "INVALID", ()), ("boxes", "INVALID", ())]
    transport = connect(scripted("ovms", outputs=outputs))
    result = submit(transport, 7)[0].result(LIMIT)
    assert set(result.outputs) == {"output", "boxes"}
    assert result.responses == 2


def test_a_frame_that_a_graph_skips_has_no_result(scripted: Build, connect: Build) -> None:
    transport = connect(scripted("ovms", ["answer", "never", "never", "answer"]))
    assert outcomes(submit(transport, 0, 1, 2, 3)) == [0, None, None, 3]
    assert transport.reopened == 0


def test_an_error_in_the_stream_fails_its_own_frame_only(scripted: Build, connect: Build) -> None:
    for style in STYLES:
        for action in ("error", "error with id", "malformed", "garbage"):
            server = scripted(style, ["answer", action, "answer", "answer"])
            transport = connect(server)
            ends = outcomes(submit(transport, 0, 1, 2, 3))
            assert ends == [0, TransportError, 2, 3], (style, action)
            assert (server.streams, transport.reopened) == (1, 0)


def test_when_a_stream_ends_what_is_in_flight_fails_and_the_next_frame_opens_another(
    scripted: Build, connect: Build, caplog: Any
) -> None:
    server = scripted("ovms", ["answer", "status INVALID_ARGUMENT"])
    transport = connect(server)
    assert outcomes(submit(transport, 0)) == [0]
    (dead,) = submit(transport, 1)
    assert str(dead.exception(LIMIT)) == (
        "transport: the server answered INVALID_ARGUMENT: as the script says"
    )
    assert dead.exception().code == "INVALID_ARGUMENT"
    result = submit(transport, 2)[0].result(LIMIT)
    assert result.generation == 2
    assert transport.reopened == 1
    assert caplog.messages == [
        "stream 1 ended: the server answered INVALID_ARGUMENT: as the script says"
    ]


def test_a_stream_that_the_server_ends_with_ok_fails_its_requests_too(
    scripted: Build, connect: Build
) -> None:
    transport = connect(scripted("plain", ["end"]))
    (lost,) = submit(transport, 0)
    assert str(lost.exception(LIMIT)) == (
        "transport: the server ended the stream (OK) before it responded"
    )
    assert outcomes(submit(transport, 1)) == [1]


def test_a_stream_that_has_ended_leaves_no_thread_to_take_requests(
    scripted: Build, connect: Build
) -> None:
    server = scripted("plain", ["end"])
    before = set(threading.enumerate())
    outcomes(submit(connect(server), 0))
    for thread in set(threading.enumerate()) - before:
        if not thread.name.startswith("scripted") and thread.name != "flowrun-stream":
            thread.join(LIMIT)
            assert not thread.is_alive()


def test_what_a_server_does_not_read_ends_with_its_deadline(
    scripted: Build, connect: Build
) -> None:
    transport = connect(scripted("plain", ["answer", *["silence"] * 4]), timeout=SHORT)
    assert outcomes(submit(transport, 0)) == [0]
    image = np.zeros((2000, 2000, 3), np.uint8)
    futures = [transport.submit(Request({"": image})) for _ in range(4)]
    assert outcomes(futures) == [DeadlineError] * 4


class Blocked:
    """A channel whose one call reads no request and sends no response until it is cancelled."""

    def __init__(self) -> None:
        self._cancelled = threading.Event()
        self.cancel = self.close = self._cancelled.set

    def stream_stream(self, *_: Any, **__: Any) -> Any:
        return lambda *_, **__: self

    def __iter__(self) -> Any:
        self._cancelled.wait(LIMIT)
        return iter(())


def test_what_cannot_be_sent_ends_with_its_deadline(threads: Build) -> None:
    spec = TransportSpec("stream", ("server:9",), "model", input="image", timeout=SHORT)
    channel: Any = Blocked()
    connection = Connection(channel, spec, GrpcErrors(spec, "server:9"))
    connection.first.received()
    transport = StreamTransport(connection, ModelInfo("model"))
    (future,) = submit(transport, 0)
    assert str(future.exception(LIMIT)) == (
        "transport.timeout: no response from server:9 within 0.2 s (the request was not sent)"
    )
    transport.close()
    assert threads() == []


class Lost(Blocked):
    """The same; when it is cancelled, the server is unavailable."""

    def __iter__(self) -> Any:
        super().__iter__()
        raise grpc.RpcError

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str:
        return "Connection reset by peer"


def test_requests_not_sent_to_an_unavailable_server_do_not_wait_for_their_deadline(
    threads: Build, caplog: Any
) -> None:
    spec = TransportSpec("stream", ("server:9",), "model", input="image", timeout=600.0)
    channel: Any = Lost()
    transport = StreamTransport(
        Connection(channel, spec, GrpcErrors(spec, "server:9")), ModelInfo("model")
    )
    futures = submit(transport, 0, 1, 2)
    channel.cancel()
    errors = [future.exception(LIMIT) for future in futures]
    assert [(e.code, e.message) for e in errors] == [
        ("UNAVAILABLE", "cannot connect to server:9 (connection reset)")
    ] * 3
    assert len({id(error) for error in errors}) == 3
    assert transport.reopened == 0
    assert caplog.messages == []  # the futures report it
    transport.close()
    assert threads() == []


def test_there_are_pauses_between_streams_that_a_server_ends(
    scripted: Build, connect: Build
) -> None:
    server = scripted("plain", ["status INTERNAL"] * 1000)
    transport = connect(server, timeout=1.0)
    begin = time.monotonic()
    ends = [outcomes(submit(transport, number))[0] for number in range(6)]
    spent = time.monotonic() - begin
    assert ends == [TransportError] * 6
    assert server.streams == 6
    assert spent > 0.1 + 0.2 + 3 * 0.25  # the pauses between them


@pytest.mark.parametrize("style", STYLES)
def test_without_a_response_the_deadline_passes_and_another_stream_is_opened(
    scripted: Build, connect: Build, style: str
) -> None:
    server = scripted(style, ["silence"])
    transport = connect(server, timeout=SHORT)
    (late,) = submit(transport, 0)
    assert isinstance(late.exception(LIMIT), DeadlineError)
    assert server.left.wait(LIMIT)
    while outcomes(submit(transport, 1)) != [1]:  # the first ones may spend their time on waiting
        pass
    assert transport.reopened >= 1


def test_after_a_deadline_the_stream_is_half_closed_and_the_others_still_get_responses(
    scripted: Build, connect: Build
) -> None:
    server = scripted("plain", ["never"])
    transport = connect(server, timeout=1.0)
    first = submit(transport, 0)
    begin = time.monotonic()
    while time.monotonic() < begin + 0.3:  # so that the second one's deadline is later
        assert outcomes(submit(transport, 9)) == [9]
    server.plan = ["answer"] * len(server.requests) + ["drain", "never"]
    others = submit(transport, 1, 2)
    assert outcomes(first) == [DeadlineError]
    assert outcomes(others) == [1, None]  # the server sends no more
    assert server.half_closed.is_set()
    assert outcomes(submit(transport, 2)) == [2]
    assert (server.streams, transport.reopened) == (2, 1)


def test_the_status_that_follows_a_half_close_is_logged(
    scripted: Build, connect: Build, caplog: Any
) -> None:
    server = scripted("ovms", ["answer", "never"], at_half_close="INVALID_ARGUMENT")
    transport = connect(server, timeout=SHORT)
    assert outcomes(submit(transport, 0)) == [0]
    assert outcomes(submit(transport, 0)) == [DeadlineError]
    while outcomes(submit(transport, 1)) != [1]:
        pass
    assert caplog.messages[0] == (
        "stream 1 ended: the server answered INVALID_ARGUMENT: as the script says"
    )


def test_closing_waits_for_responses_that_the_server_still_sends(
    scripted: Build, connect: Build, threads: Build
) -> None:
    server = scripted("plain", ["answer", "drain"])
    transport = connect(server)
    futures = submit(transport, 0, 1)
    futures[0].result(LIMIT)
    assert server.seen_all(2)
    transport.close()
    assert outcomes(futures) == [0, 1]
    assert threads() == []


def test_closing_fails_requests_without_a_response(
    scripted: Build, connect: Build, threads: Build
) -> None:
    server = scripted("plain", ["silence"])
    transport = connect(server)
    futures = submit(transport, 0, 1, 2)
    assert server.seen_all(1)
    transport.close()
    transport.close()
    for future in futures:
        assert str(future.exception(0)) == (
            "transport: the connection was closed before the response arrived"
        )
    with pytest.raises(TransportError, match="closed"):
        submit(transport, 3)
    assert threads() == []


def test_several_threads_may_close_at_once(scripted: Build, connect: Build, threads: Build) -> None:
    transport = connect(scripted("plain", ["silence"]))
    (future,) = submit(transport, 0)
    closers = [threading.Thread(target=transport.close) for _ in range(4)]
    for closer in closers:
        closer.start()
    for closer in closers:
        closer.join(LIMIT)
    assert future.done()
    assert threads() == []


def test_a_transport_that_was_never_used_closes_at_once(
    scripted: Build, connect: Build, threads: Build
) -> None:
    server = scripted("ovms")
    connect(server).close()
    assert server.streams == 0
    assert threads() == []


def test_fifty_rounds_leave_no_thread(scripted: Build, connect: Build, threads: Build) -> None:
    server = scripted("triton")
    for _ in range(50):
        transport = connect(server)
        assert outcomes(submit(transport, 1, 2)) == [1, 2]
        transport.close()
    assert threads() == []


def test_a_server_that_stops_fails_what_is_in_flight(scripted: Build, connect: Build) -> None:
    server = scripted("plain", ["answer", "never"])
    transport = connect(server)
    assert outcomes(submit(transport, 0)) == [0]
    (lost,) = submit(transport, 1)
    assert server.seen_all(2)
    server.stop()
    assert lost.exception(LIMIT).code in ("UNAVAILABLE", "CANCELLED")
    assert outcomes(submit(transport, 2)) == [TransportError]
    server.start(server.address)
    while outcomes(submit(transport, 3)) != [3]:
        pass
    assert transport.reopened >= 1


def expected(plan: list[str]) -> list[Any]:
    """How the requests of a script end, if no stream ends."""
    ends: list[Any] = []
    for number, action in enumerate(plan):
        if action in ("answer", "twice"):
            ends.append(number)
        elif action == "nothing":
            ends.append(None)
        else:
            ends.append(TransportError)
    return ends


HARMLESS = ["answer", "twice", "nothing", "error", "error with id", "malformed", "garbage"]


@given(st.sampled_from(STYLES), st.lists(st.sampled_from(HARMLESS), min_size=1, max_size=12))
@settings(
    max_examples=settings().max_examples // 2,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_each_frame_has_the_end_that_the_script_gives_it(
    scripted: Build, connect: Build, style: str, plan: list[str]
) -> None:
    server = scripted(style, plan)
    transport = connect(server)
    assert outcomes(submit(transport, *range(len(plan)))) == expected(plan)
    assert (server.streams, transport.reopened) == (1, 0)
    transport.close()
    server.stop()


HOSTILE = [
    *("answer", "answer", "never", "late", "drain", "twice", "unknown", "other output", "nothing"),
    *("half", "error", "error with id", "malformed", "garbage", "status UNAVAILABLE", "end"),
    *("status INVALID_ARGUMENT", "silence"),
]
KEEPING_THE_ORDER = ["answer", "malformed", "garbage", "end", "status INTERNAL", "silence"]
SCRIPTS = st.one_of(
    st.tuples(st.sampled_from(STYLES), st.lists(st.sampled_from(HOSTILE), max_size=6)),
    st.tuples(st.just("mlserver"), st.lists(st.sampled_from(KEEPING_THE_ORDER), max_size=6)),
)
WINDOWS = st.integers(1, 4)
EARLY = st.booleans()  # whether the transport is closed while requests are in flight


@given(st.tuples(SCRIPTS, WINDOWS, EARLY))
@settings(
    max_examples=settings().max_examples // 2,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_pattern_of_responses_hangs_the_run(
    scripted: Build,
    connect: Build,
    threads: Build,
    drawn: tuple[tuple[str, list[str]], int, bool],
) -> None:
    (style, plan), window, early = drawn
    server = scripted(style, plan, outputs=[("output", "INVALID", ()), ("boxes", "INVALID", ())])
    transport = connect(server, output="output" if early else None, timeout=0.1)
    ends: list[list[Any]] = []
    futures: list[Any] = []
    for number in range(len(plan) + 2):
        if number >= window:
            futures[number - window].exception(LIMIT)
        futures += submit(transport, number)
        ends.append([])
        futures[-1].add_done_callback(ends[number].append)
    if early:
        transport.close()
    generation = 1
    for number, future in enumerate(futures):
        error = future.exception(LIMIT)
        assert error is None or isinstance(error, TransportError)
        result = None if error else future.result()
        if result is not None:
            for tensor in result.outputs.values():
                assert (tensor == picture(number)).all()
            assert result.generation >= generation
            generation = result.generation
    transport.close()
    assert [len(each) for each in ends] == [1] * len(futures)
    assert generation <= transport.reopened + 1
    assert server.streams <= transport.reopened + 1 + plan.count("status UNAVAILABLE")
    server.stop()
    assert threads() == []
