"""Whether a server that was unavailable accepts requests again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.message import DecodeError

from flowrun.kserve.conditions import is_rate_limited

if TYPE_CHECKING:
    from flowrun.kserve.client.connection import Connection

RESPONSE_TIMEOUT = 2.0  # seconds for a server that is connected


def is_ready(connection: Connection, connect_timeout: float) -> bool:
    """Whether server and model are ready, as far as the server implements the calls; one that
    implements neither is ready as soon as it responds.

    Waits up to `connect_timeout` seconds for a connection and the first response; 0 uses the
    connection that exists or can be made at once. Then each response may take `RESPONSE_TIMEOUT`.

    Raises `TransportError`, with the condition `overloaded`, if the server refuses the question as
    one call too many: it is available, but accepts no requests.
    """
    spec = connection.spec
    try:
        server = _ask(connection, "ServerReady", connect_timeout)
        model = _ask(connection, "ModelReady", name=spec.model, version=spec.version)
    except grpc.RpcError as error:
        if is_rate_limited(error.code(), error.details()):
            raise connection.grpc_errors.failed(error.code(), error.details()) from None
        return False
    except DecodeError:
        return False
    except ValueError:  # the channel was closed meanwhile
        return False
    # The model decides: a server may report that it is not ready because of another model.
    return server is not False if model is None else model


def _ask(
    connection: Connection, method: str, connect_timeout: float = 0.0, **fields: Any
) -> bool | None:
    """`None` if the server does not implement the call."""
    try:
        response = connection.ask(
            method,
            timeout=connect_timeout or RESPONSE_TIMEOUT,
            wait_for_ready=connect_timeout > 0,
            **fields,
        )
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.UNIMPLEMENTED:
            return None
        raise
    return bool(response.ready)
