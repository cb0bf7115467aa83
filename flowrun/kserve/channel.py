"""The channel between client and model server, as far as flowrun uses it."""

from __future__ import annotations

from typing import Any, Protocol

SERVICE = "/inference.GRPCInferenceService/"


class Channel(Protocol):
    """What flowrun uses of a `grpc.Channel`."""

    def unary_unary(
        self, method: str, request_serializer: Any = ..., response_deserializer: Any = ...
    ) -> Any: ...

    def stream_stream(
        self, method: str, request_serializer: Any = ..., response_deserializer: Any = ...
    ) -> Any: ...

    def close(self) -> None: ...
