"""Whether a server that was away takes requests again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
from tritonclient.grpc import service_pb2 as pb

from flowrun.kserve.contract import SERVICE
from flowrun.spec.flow import TransportSpec

ANSWER = 2.0  # seconds that a server which is there has to answer


def readiness(
    channel: grpc.Channel, spec: TransportSpec, headers: tuple[tuple[str, str], ...] = ()
) -> Callable[[float], bool]:
    """A function that tells whether server and model are ready, within `ANSWER` for each of them.

    Its argument is the seconds to wait for a connection: with more than 0 the answer is there as
    soon as gRPC has connected. A server that does not implement the calls is ready if it answers.
    """

    def ask(method: str, request: Any, patience: float) -> bool:
        call: Any = channel.unary_unary(
            SERVICE + method,
            request_serializer=type(request).SerializeToString,
            response_deserializer=getattr(pb, f"{method}Response").FromString,
        )
        try:
            answer = call(
                request,
                timeout=patience or ANSWER,
                metadata=headers,
                wait_for_ready=patience > 0,
            )
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                raise
            return True
        return bool(answer.ready)

    def ready(patience: float) -> bool:
        try:
            # A server that is up may say that it is not ready because of some other model.
            ask("ServerReady", pb.ServerReadyRequest(), patience)
            model = pb.ModelReadyRequest(name=spec.model, version=spec.version or "")
            return ask("ModelReady", model, 0.0)
        except grpc.RpcError:  # the next attempt may tell more
            return False
        except ValueError:  # the channel was closed meanwhile
            return False

    return ready
