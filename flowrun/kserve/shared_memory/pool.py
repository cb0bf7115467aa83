"""Regions of shared memory that the server knows, for as many tensors as are on their way."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

import grpc
from tritonclient.grpc import service_pb2 as pb

from flowrun.errors import ContractError, RunError, TransportError
from flowrun.image.buffers import Memory, address_of
from flowrun.inference import Tensor
from flowrun.kserve.client.connection import SERVICE
from flowrun.kserve.grpc_errors import GrpcErrors
from flowrun.kserve.shared_memory.region import PAGE, Region, is_left_over, sweep

PATIENCE = 2.0  # seconds that the server has to get to know a region
CLOSING = 2.0  # seconds in which the server has to finish with the last requests

_KEY = "transport.shared_memory"
_AGAIN = 0.02  # seconds between two attempts to take a region away that is in use
_AWAY = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
)

_log = logging.getLogger("flowrun")


class Pool:
    """Regions, each registered once and used again when nobody shows its memory any more. There are
    as many as there were tensors alive at once: what is in flight, and what the chain holds.

    From any thread. Where a region is new the server has to be told of it: whoever needs one then
    waits, for `PATIENCE`.
    """

    def __init__(
        self,
        channel: grpc.Channel,
        grpc_errors: GrpcErrors,
        headers: tuple[tuple[str, str], ...] = (),
        *,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._channel = channel
        self._grpc_errors = grpc_errors
        self._headers = headers
        self._sleep = sleep
        self._clock = clock
        self._life = 0  # of the server
        self._lock = threading.Lock()  # guards what follows but for the deques
        self._regions: dict[str, Region] = {}
        self._at: dict[int, Region] = {}  # the same by their addresses
        self._unknown: list[str] = []  # names of regions that are gone, but not yet for the server
        self._complained = False
        self._closed = False
        self._free: dict[str, deque[Region]] = {}
        self._retired: deque[Region] = deque()

    def prepare(self) -> None:
        """Try it out, and clean up after runs that were killed.

        Raises `ContractError` if the server does not see the memory of this machine or has no
        such extension, and `TransportError` if it does not answer or there is no room.
        """
        sweep()
        try:
            region = Region("trial", PAGE)
        except OSError as error:
            raise self._no_room(error) from error
        try:
            self._register(region)
            known = self._call("Status", name="").regions
            for name in (region.name, *filter(is_left_over, known)):
                self._call("Unregister", name=name)
        except grpc.RpcError as error:
            raise self._refused(error) from error
        finally:
            region.unlink()

    def take(self, owner: str, size: int) -> tuple[Region, Memory] | None:
        """A region of at least `size` bytes that the server knows, and its memory; `None` if none
        is to be had now. It is used again for the same `owner` when that array is dead, and all
        that was made of it."""
        with self._lock:
            try:
                region = self._region(owner, size)
                if region is not None and not self._is_known(region):
                    self._drop(region)
                    region = None
            except OSError as error:
                self._complain(error)
                region = None
        return None if region is None else (region, self._lent(region))

    def allocate(self, size: int) -> Memory | None:
        """Memory of at least `size` bytes for what may be sent later: if it is, `find` finds it.
        `None` and used again as with `take`."""
        with self._lock:
            try:
                region = self._region("lent", size)
            except OSError as error:
                self._complain(error)
                region = None
        return None if region is None else self._lent(region)

    def find(self, array: Tensor) -> Region | None:
        """The region that `array` lies in, element by element from its first byte on, and that the
        server knows. As long as `array` lives it is not used again."""
        with self._lock:
            region = self._at.get(address_of(array))
            if region is None or not array.flags.c_contiguous:
                return None
            fits = PAGE <= array.nbytes <= region.size
            return region if fits and self._is_known(region) else None

    def forget(self) -> None:
        """The server has forgotten all regions, or may have. Does not wait; from any thread."""
        self._life += 1

    def close(self) -> None:
        """Take all regions from the server, within `CLOSING`, and from this machine at once. Arrays
        that show them stay good. Idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for region in list(self._regions.values()):
                self._drop(region)
            end = self._clock() + CLOSING
            while self._unregister() and self._clock() < end:
                self._sleep(_AGAIN)
        self._channel.close()

    def _lent(self, region: Region) -> Memory:
        memory = region.array()
        weakref.finalize(memory, self._give_back, region).atexit = False
        return memory

    def _give_back(self, region: Region) -> None:
        """By any thread, at any time, as arrays die: so without a lock."""
        (self._retired if region.retired else self._free[region.owner]).append(region)

    # With the lock held.

    def _region(self, owner: str, size: int) -> Region | None:
        """One that nobody uses, which the server may not know yet; `None` after the end. Raises
        `OSError` if there is no room."""
        if self._closed:
            return None
        size = -(-size // PAGE) * PAGE
        while self._retired:
            self._drop(self._retired.popleft())
        free = self._free.setdefault(owner, deque())
        while free:
            region = free.pop()
            if region.size == size:
                return region
            self._drop(region)
        self._unregister()
        region = Region(owner, size)
        self._regions[region.name] = self._at[region.address] = region
        return region

    def _is_known(self, region: Region) -> bool:
        """Whether the server knows it, or gets to know it now."""
        if region.known != self._life:
            try:
                self._register(region)
            except grpc.RpcError as error:
                self._complain(error)
                return False
        return True

    def _drop(self, region: Region) -> None:
        region.unlink()
        del self._regions[region.name], self._at[region.address]
        self._unknown.append(region.name)

    def _unregister(self) -> bool:
        """Whether the server may still finish with a region that is gone."""
        for name in list(self._unknown):
            try:
                self._call("Unregister", name=name)
            except grpc.RpcError as error:
                if error.code() in _AWAY:
                    return False
            else:
                self._unknown.remove(name)
        return bool(self._unknown)

    def _register(self, region: Region) -> None:
        life = self._life
        try:
            self._call("Register", name=region.name, key=f"/{region.name}", byte_size=region.size)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.ALREADY_EXISTS:  # it has not forgotten
                raise
        region.known = life

    def _call(self, what: str, **fields: Any) -> Any:
        method = f"SystemSharedMemory{what}"
        call: Any = self._channel.unary_unary(
            SERVICE + method,
            request_serializer=getattr(pb, f"{method}Request").SerializeToString,
            response_deserializer=getattr(pb, f"{method}Response").FromString,
        )
        request = getattr(pb, f"{method}Request")(**fields)
        return call(request, timeout=PATIENCE, metadata=self._headers)

    # Words.

    def _complain(self, error: grpc.RpcError | OSError) -> None:
        if self._complained or (isinstance(error, grpc.RpcError) and error.code() in _AWAY):
            return  # whose requests tell
        self._complained = True
        why = self._no_room(error) if isinstance(error, OSError) else self._refused(error)
        _log.warning("%s; what finds no place there goes in messages", why.message)

    def _no_room(self, error: OSError) -> TransportError:
        return TransportError(
            f"there is no room in shared memory ({error.strerror})",
            key=_KEY,
            hint="in a container, ask for more: `docker run --shm-size=1g`",
        )

    def _refused(self, error: grpc.RpcError) -> RunError:
        code, said = error.code(), self._grpc_errors.quoted(error.details() or "")
        if code in _AWAY:
            return self._grpc_errors.failed(code, error.details())
        address = self._grpc_errors.address
        if code is grpc.StatusCode.UNIMPLEMENTED:
            return ContractError(
                f"the server at {address} does not share memory with its clients",
                key=_KEY,
                hint="leave `shared_memory` out; of the servers that flowrun knows, Triton has it",
            )
        return ContractError(
            f"the server at {address} does not take memory of this machine (it says: {said})",
            key=_KEY,
            hint="it has to run on this machine, as the same user or as root, and in a container"
            " with `docker run --ipc=host`;\nelsewhere leave `shared_memory` out",
        )
