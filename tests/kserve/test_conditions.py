"""What a gRPC status or the text of an in-stream error says about the server."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from flowrun.kserve.conditions import of_status, of_text


@pytest.mark.parametrize(
    ("code", "details", "condition"),
    [
        ("UNAVAILABLE", "failed to connect to all addresses; Connection refused", "unavailable"),
        ("UNAVAILABLE", "Connection reset by peer", "unavailable"),
        ("UNAVAILABLE", "Socket closed", "unavailable"),
        ("UNAVAILABLE", "Cancelling all calls", "unavailable"),  # a server of gRPC that shuts down
        ("UNAVAILABLE", "recvmsg:Broken pipe", "unavailable"),
        ("UNAVAILABLE", "DNS resolution failed for nowhere:9000", "unavailable"),
        ("UNAVAILABLE", "keepalive watchdog timeout", "unavailable"),
        (
            "UNAVAILABLE",
            "GOAWAY received; Error code: 11; too_many_pings",
            "unavailable",
        ),
        ("UNAVAILABLE", None, "unavailable"),
        ("CANCELLED", "", "unavailable"),
        ("UNAVAILABLE", "Exceeds maximum queue size", "overloaded"),
        ("UNAVAILABLE", "in-flight request count exceeds the limit", "overloaded"),
        ("UNAVAILABLE", "the model is loading", "not ready"),
        ("UNAVAILABLE", "Server is stopping, scheduler for model has stopped", "not ready"),
        ("UNAVAILABLE", "Received http2 header with status: 503", "overloaded"),
        ("UNAVAILABLE", "Received http2 header with status: 404", "unavailable"),
        ("UNKNOWN", "unexpected HTTP status code received from server: 502", "overloaded"),
        ("UNKNOWN", "http status: 429", "overloaded"),
        ("UNKNOWN", "Model identity not found", "not ready"),
        ("UNKNOWN", "division by zero", "refused"),
        ("RESOURCE_EXHAUSTED", "rate limit exceeded", "overloaded"),
        ("RESOURCE_EXHAUSTED", "", "overloaded"),
        ("RESOURCE_EXHAUSTED", "Received message larger than max (9 vs. 4)", "refused"),
        ("RESOURCE_EXHAUSTED", "gRPC message exceeds maximum size 4194304", "refused"),
        ("NOT_FOUND", "Request for unknown model: 'm' is not found", "not ready"),
        ("INVALID_ARGUMENT", "unexpected shape for input 'image'", "doubtful"),
        ("DEADLINE_EXCEEDED", None, "doubtful"),
        ("INTERNAL", "CUDA error", "refused"),
        (
            "INTERNAL",
            "Stream removed (Data frame with END_STREAM flag received) (RST_STREAM (Received"
            " RST_STREAM with error code 0))",
            "interrupted",
        ),
        ("UNIMPLEMENTED", "", "refused"),
    ],
)
def test_the_condition_of_a_status(code: str, details: str | None, condition: Any) -> None:
    assert of_status(grpc.StatusCode[code], details) == condition


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("[request id: 7] Exceeds maximum queue size", "overloaded"),
        ("rate limit exceeded, retry later", "overloaded"),
        ("[request id: 7] Request for unknown model: 'm' is not found", "not ready"),
        ("Request for unknown model: 'm' has no available versions", "not ready"),
        ("Model is unloading", "not ready"),
        ("unexpected shape for input 'image' for model 'm'", "doubtful"),
        ("the picture is larger than max", "refused"),
    ],
)
def test_the_condition_of_an_error_in_a_stream(text: str, condition: Any) -> None:
    assert of_text(text) == condition
