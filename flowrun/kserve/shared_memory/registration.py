"""Registration of regions with the server: KServe v2's system shared memory extension."""

from __future__ import annotations

from typing import Any

import grpc
from tritonclient.grpc import service_pb2 as pb

from flowrun.errors import ContractError, RunError
from flowrun.kserve.channel import SERVICE, Channel
from flowrun.kserve.grpc_errors import GrpcErrors
from flowrun.kserve.shared_memory.region import Region, is_left_over

CALL_TIMEOUT = 2.0  # seconds that the server has for each call
KEY = "transport.shared_memory"

# After these the server may have lost its registrations; one that shuts down cancels its calls.
OUTAGE_STATUSES = frozenset({"UNAVAILABLE", "CANCELLED"})
_UNAVAILABLE = OUTAGE_STATUSES | {"DEADLINE_EXCEEDED"}  # within `CALL_TIMEOUT`


def is_outage(error: grpc.RpcError) -> bool:
    """Whether the server is unavailable, which fails requests, too, and is reported by them."""
    return error.code().name in _UNAVAILABLE


class Registration:
    """The regions that the server has registered. Not thread-safe, except for `forget`. Calls wait
    at most `CALL_TIMEOUT`, and raise `grpc.RpcError`."""

    def __init__(
        self, channel: Channel, grpc_errors: GrpcErrors, headers: tuple[tuple[str, str], ...]
    ) -> None:
        self._channel = channel
        self._grpc_errors = grpc_errors
        self._headers = headers
        self._generation = 0  # of the server: it keeps no registration when it restarts
        self._unlinked: list[str] = []  # names that the server may still have registered

    def test(self, region: Region) -> None:
        """Register and unregister `region`, and unregister the regions of killed runs."""
        self.ensure(region)
        registered = self._call("Status", name="").regions
        for name in (region.name, *filter(is_left_over, registered)):
            self._call("Unregister", name=name)

    def ensure(self, region: Region) -> None:
        """Register `region`, unless the server has it."""
        if region.registered == self._generation:
            return
        generation = self._generation
        try:
            self._call("Register", name=region.name, key=f"/{region.name}", byte_size=region.size)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.ALREADY_EXISTS:  # it did not restart
                raise
        region.registered = generation

    def forget(self) -> None:
        """The server has lost all registrations, or may have. Does not block; from any thread."""
        self._generation += 1

    def remove(self, region: Region) -> None:
        """Have the next `flush` unregister `region`."""
        self._unlinked.append(region.name)

    def flush(self) -> bool:
        """Unregister what was removed. Whether to try again later: the server refuses it while a
        region is in use. Raises nothing."""
        for name in list(self._unlinked):
            try:
                self._call("Unregister", name=name)
            except grpc.RpcError as error:
                if is_outage(error):
                    return False
            else:
                self._unlinked.remove(name)
        return bool(self._unlinked)

    def close(self) -> None:
        self._channel.close()

    def refused(self, error: grpc.RpcError) -> RunError:
        """What `error` means for the user."""
        code, details = error.code(), self._grpc_errors.quoted(error.details() or "")
        if is_outage(error):
            return self._grpc_errors.failed(code, error.details())
        address = self._grpc_errors.address
        if code is grpc.StatusCode.UNIMPLEMENTED:
            return ContractError(
                f"the model server at {address} does not support shared memory",
                key=KEY,
                hint="remove `shared_memory`; of the supported servers only Triton has it",
            )
        return ContractError(
            f"the model server at {address} cannot map shared memory of this machine: {details}",
            key=KEY,
            hint="it must run on this machine, as the same user or as root, and in a container"
            " with `docker run --ipc=host`;\notherwise remove `shared_memory`",
        )

    def _call(self, what: str, **fields: Any) -> Any:
        method = f"SystemSharedMemory{what}"
        call: Any = self._channel.unary_unary(
            SERVICE + method,
            request_serializer=getattr(pb, f"{method}Request").SerializeToString,
            response_deserializer=getattr(pb, f"{method}Response").FromString,
        )
        request = getattr(pb, f"{method}Request")(**fields)
        return call(request, timeout=CALL_TIMEOUT, metadata=self._headers)
