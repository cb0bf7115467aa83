"""Calls about server and model that share one deadline."""

from __future__ import annotations

import time
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from flowrun.errors import DeadlineError, TransportError
from flowrun.kserve.client.connection import Connection

MIN_TIMEOUT = 2.0  # seconds to connect and ask; `transport.timeout` of a frame may be shorter


class MetadataCalls:
    """The deadline is `transport.timeout` from now, or `MIN_TIMEOUT` if that is longer."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._timeout = max(connection.spec.timeout, MIN_TIMEOUT)
        self._end = time.monotonic() + self._timeout

    def ask(self, method: str, **fields: Any) -> Any:
        """The response; `None` if the server does not implement the call.

        Raises `grpc.RpcError`, and `TransportError` if the server does not support KServe v2.
        """
        errors = self.connection.grpc_errors
        try:
            return self.connection.ask(method, timeout=self._time_left(), **fields)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                raise
            if "http2 header" in (error.details() or "").lower():
                raise errors.unreachable(error.details()) from error
            return None
        except DecodeError as error:
            raise TransportError(
                f"the server at {errors.address} does not support KServe v2: its response to"
                f" {method} is malformed",
                key="transport.address",
            ) from error

    def implements_inference(self) -> bool:
        """Whether the server implements the call that carries the frames; asked without a frame."""
        unary = self.connection.spec.mode == "unary"
        call = self.connection.stream("ModelInfer" if unary else "ModelStreamInfer")
        empty = iter([b""] if unary else [])  # a request without model and inputs
        try:
            for _ in call(empty, timeout=self._time_left(), metadata=self.connection.headers):
                pass
        except grpc.RpcError as error:
            return error.code() is not grpc.StatusCode.UNIMPLEMENTED
        return True

    def failed(self, error: grpc.RpcError) -> TransportError:
        """The error for a call that ended with `error`."""
        code = error.code()
        errors = self.connection.grpc_errors
        if code is not grpc.StatusCode.DEADLINE_EXCEEDED:
            return errors.failed(code, error.details())
        return DeadlineError(
            f"no response from {errors.address} within {self._timeout:g} s",
            code=code.name,
            key="transport.address",
            hint="check whether a firewall blocks the port, or the server is overloaded",
        )

    def _time_left(self) -> float:
        return max(0.001, self._end - time.monotonic())
