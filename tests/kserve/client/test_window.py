"""Match responses to requests, without any server."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest

from flowrun.errors import DeadlineError, TransportError
from flowrun.inference import Parameter, Result
from flowrun.kserve.client.window import Completion, Pending, Window
from flowrun.kserve.grpc_errors import GrpcErrors
from flowrun.kserve.wire.parameters import FINAL, TIMESTAMP
from flowrun.kserve.wire.responses import Response
from flowrun.spec.flow import TransportSpec

ERRORS = GrpcErrors(
    TransportSpec("stream", ("server:9",), "m", headers={"authorization": "Bearer s3cret"}),
    "server:9",
)


def window(correlation: Any, *keys: int, outputs: str = "output") -> Window:
    made = Window(correlation, 1, frozenset(outputs.split()), ERRORS)
    for key in keys:
        made.add(Pending(key, bytes, float(key), Future()))
    return made


def output(key: int, name: str = "output", *, final: bool | None = None) -> Response:
    """A response to `key`, which is its content as well."""
    outputs = {each: np.array([key]) for each in name.split()}
    flag: dict[str, Parameter] = {} if final is None else {FINAL: final}
    return Response(str(key), {TIMESTAMP: key, **flag}, outputs=outputs)


def outcomes(completions: list[Completion]) -> dict[int, Any]:
    """How requests ended: the outputs, `None`, or the error's text."""
    ends: dict[int, Any] = {}
    for pending, outcome in completions:
        assert pending.key not in ends
        if isinstance(outcome, Result):
            ends[pending.key] = {name: int(array[0]) for name, array in outcome.outputs.items()}
        else:
            ends[pending.key] = outcome if outcome is None else str(outcome)
    return ends


ERROR = Response(error="bad picture")
BAD = "transport: the server answered with an error: bad picture"


def test_responses_are_matched_by_id_in_any_order() -> None:
    made = window("id", 1, 2, 3)
    assert outcomes(made.receive(output(3))) == {3: {"output": 3}}
    assert outcomes(made.receive(output(1))) == {1: {"output": 1}}
    assert outcomes(made.receive(output(2))) == {2: {"output": 2}}


@pytest.mark.parametrize("correlation", ["id", "timestamp"])
def test_a_response_without_a_request_is_counted_and_ignored(correlation: str) -> None:
    made = window(correlation, 1)
    assert made.receive(output(7)) == []
    assert made.receive(Response()) == []
    assert outcomes(made.receive(output(1))) == {1: {"output": 1}}
    assert made.receive(output(1)) == []  # again
    assert made.ignored == 3


def test_a_timestamp_that_is_not_an_integer_matches_no_request() -> None:
    made = window("timestamp", 1)
    for value in (True, "1", 1.0):
        assert made.receive(Response(parameters={TIMESTAMP: value})) == []
    assert made.ignored == 3


def test_outputs_of_one_timestamp_are_joined() -> None:
    made = window("timestamp", 1, outputs="a b")
    assert made.receive(output(1, "b")) == []
    ((_, result),) = made.receive(output(1, "a"))
    assert isinstance(result, Result)
    assert set(result.outputs) == {"a", "b"}
    assert result.responses == 2


def test_a_response_shows_that_older_requests_get_none_on_its_output() -> None:
    made = window("timestamp", 1, 2, 3)
    assert outcomes(made.receive(output(3))) == {1: None, 2: None, 3: {"output": 3}}


def test_with_two_outputs_both_must_have_passed_a_timestamp() -> None:
    made = window("timestamp", 1, 2, 3, outputs="a b")
    assert made.receive(output(1, "a")) == []
    assert made.receive(output(3, "a")) == []
    assert outcomes(made.receive(output(2, "b"))) == {1: {"a": 1}, 2: {"b": 2}}
    assert outcomes(made.receive(output(3, "b"))) == {3: {"a": 3, "b": 3}}


def test_responses_by_id_show_nothing_about_older_requests() -> None:
    made = window("id", 1, 2)
    assert outcomes(made.receive(output(2))) == {2: {"output": 2}}
    assert len(made) == 1


def test_with_unknown_outputs_the_first_response_completes_a_request() -> None:
    made = window("id", 1, outputs="")
    assert outcomes(made.receive(output(1, "x"))) == {1: {"x": 1}}


def test_the_final_flag_decides_where_there_is_one() -> None:
    made = window("id", 1, 2)
    assert made.receive(output(1, final=False)) == []
    assert made.receive(output(1, final=False)) == []
    ((_, result),) = made.receive(output(1, "", final=True))
    assert isinstance(result, Result)
    assert result.responses == 3
    assert outcomes(made.receive(output(2, "", final=True))) == {2: None}


def test_a_response_without_outputs_is_no_result() -> None:
    assert outcomes(window("id", 1).receive(Response("1"))) == {1: None}


@pytest.mark.parametrize("correlation", ["id", "order"])
def test_a_response_with_other_outputs_only_completes_its_request(correlation: str) -> None:
    made = window(correlation, 1, 2)
    assert outcomes(made.receive(output(1, "other"))) == {1: {"other": 1}}
    assert outcomes(made.receive(output(2))) == {2: {"output": 2}}


def test_a_refusal_that_ends_the_stream_is_that_of_one_unknown_request() -> None:
    error = TransportError("wrong", condition="doubtful")
    alone = window("id", 1).fail_all(error)
    several = window("id", 1, 2).fail_all(error)
    found = [each.condition for _, each in alone + several if isinstance(each, TransportError)]
    assert found == ["doubtful", "interrupted", "interrupted"]


def test_without_ids_responses_are_matched_by_order() -> None:
    made = window("order", 1, 2)
    assert outcomes(made.receive(output(9))) == {1: {"output": 9}}
    assert outcomes(made.receive(ERROR)) == {2: BAD}


def test_without_ids_one_missing_response_makes_the_others_unknown() -> None:
    made = window("order", 1, 2, 3)
    completions = outcomes(made.expire(1.0))
    unknown = (
        "transport: an earlier frame got no response, so that of this frame cannot be identified"
    )
    assert completions == {
        1: "transport.timeout: no response from server:9 within 10 s",
        2: unknown,
        3: unknown,
    }
    assert made.receive(output(2)) == []


def test_an_error_under_an_id_fails_exactly_that_request() -> None:
    made = window("id", 1, 2, 3)
    assert outcomes(made.receive(Response("2", error="bad picture"))) == {2: BAD}
    assert made.receive(Response("2", error="bad picture")) == []  # late: it fails no other request
    assert len(made) == 2


def test_an_error_under_a_timestamp_fails_exactly_that_request() -> None:
    made = window("timestamp", 1, 2, 3)
    assert outcomes(made.receive(Response(parameters={TIMESTAMP: 2}, error="bad picture"))) == {
        2: BAD
    }


@pytest.mark.parametrize("correlation", ["id", "timestamp", "order"])
def test_an_error_without_an_id_is_assigned_to_the_only_request_in_flight(correlation: str) -> None:
    assert outcomes(window(correlation, 1).receive(ERROR)) == {1: BAD}


def test_an_error_without_an_id_is_kept_until_it_can_be_assigned() -> None:
    made = window("id", 1, 2, 3)
    assert made.receive(ERROR) == []
    assert outcomes(made.receive(output(1))) == {1: {"output": 1}}
    made.add(Pending(4, bytes, 4.0, Future()))  # sent after the error: not its cause
    assert outcomes(made.receive(output(3))) == {3: {"output": 3}, 2: BAD}
    assert outcomes(made.receive(output(4))) == {4: {"output": 4}}


def test_an_error_without_an_id_is_assigned_to_a_skipped_request() -> None:
    made = window("timestamp", 1, 2, 3)
    assert made.receive(ERROR) == []
    assert outcomes(made.receive(output(2))) == {1: BAD, 2: {"output": 2}}
    assert outcomes(made.receive(output(3))) == {3: {"output": 3}}


def test_as_many_errors_as_requests_fail_all_of_them() -> None:
    made = window("id", 1, 2)
    assert made.receive(ERROR) == []
    assert outcomes(made.receive(ERROR)) == {1: BAD, 2: BAD}
    assert made.receive(ERROR) == []
    made.add(Pending(3, bytes, 3.0, Future()))
    assert outcomes(made.receive(output(3))) == {3: {"output": 3}}


def test_a_request_with_a_partial_result_is_not_assigned_an_error() -> None:
    made = window("id", 1, 2, outputs="a b")
    made.receive(output(1, "a"))
    assert outcomes(made.receive(ERROR)) == {2: BAD}


def test_a_message_that_cannot_be_parsed_fails_one_request() -> None:
    assert outcomes(window("id", 1).receive_malformed(TransportError("nonsense"))) == {
        1: "transport: nonsense"
    }


def test_a_malformed_response_fails_its_request() -> None:
    made = window("id", 1, 2)
    assert outcomes(made.receive(Response("2", problem=TransportError("too short")))) == {
        2: "transport: too short"
    }


def test_a_deadline_error_lists_what_was_received() -> None:
    made = window("id", 1, 2, outputs="a b")
    made.receive(output(1, "a"))
    made.receive(output(99))
    ((_, first),) = made.expire(1.0)
    ((_, second),) = made.expire(2.0)
    assert isinstance(first, DeadlineError)
    assert str(first) == (
        "transport.timeout: no response from server:9 within 10 s (outputs received: 'a')"
    )
    assert str(second) == (
        "transport.timeout: no response from server:9 within 10 s"
        " (responses that match no request: 1)"
    )


def test_when_the_server_has_finished_the_rest_completes_without_a_result() -> None:
    made = window("timestamp", 1, 2, outputs="a b")
    made.receive(output(2, "a"))
    assert outcomes(made.complete_all()) == {1: None, 2: {"a": 2}}
    assert len(made) == 0


def test_every_request_of_an_ended_stream_has_an_error_of_its_own() -> None:
    completions = window("id", 1, 2).fail_all(TransportError("gone", code="UNAVAILABLE"))
    errors = [outcome for _, outcome in completions]
    assert [str(each) for each in errors] == ["transport: gone"] * 2
    assert errors[0] is not errors[1]
    assert [each.code for each in errors if isinstance(each, TransportError)] == ["UNAVAILABLE"] * 2


def test_a_secret_that_the_server_repeats_stays_secret() -> None:
    ((_, error),) = window("id", 1).receive(Response("1", error="no such user: s3cret"))
    assert str(error) == "transport: the server answered with an error: no such user: ***"
