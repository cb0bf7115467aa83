"""Regions of shared memory, allocated and reused for the tensors in flight."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable

import grpc

from flowrun.errors import TransportError
from flowrun.image.buffers import Memory, address_of
from flowrun.inference import Tensor
from flowrun.kserve.channel import Channel
from flowrun.kserve.grpc_errors import GrpcErrors
from flowrun.kserve.shared_memory.region import PAGE, Region, sweep
from flowrun.kserve.shared_memory.registration import KEY, Registration, is_outage

CLOSE_TIMEOUT = 2.0  # seconds in which the server has to finish the last requests

_RETRY = 0.02  # seconds between two attempts to unregister a region that is in use

_log = logging.getLogger("flowrun")


class Pool:
    """Regions, each registered once and reused when no array shows its memory any more. There are
    as many as there were tensors alive at once: those in flight, and those that the chain holds.

    Thread-safe. A new region is registered with the server, which blocks its caller for a bounded
    time.
    """

    def __init__(
        self,
        channel: Channel,
        grpc_errors: GrpcErrors,
        headers: tuple[tuple[str, str], ...] = (),
        *,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registration = Registration(channel, grpc_errors, headers)
        self._sleep = sleep
        self._clock = clock
        self._lock = threading.Lock()  # guards all but the deques
        self._regions: dict[int, Region] = {}  # by their addresses
        self._warned = False
        self._closed = False
        self._free: dict[str, deque[Region]] = {}  # by their owners
        self._retired: deque[Region] = deque()

    def prepare(self) -> None:
        """Register a region to test the server, and remove the regions of killed runs.

        Raises `ContractError` if the server cannot map the memory of this machine or lacks the
        extension, and `TransportError` if it is unavailable or no memory can be allocated.
        """
        sweep()
        try:
            region = Region("test", PAGE)
        except OSError as error:
            raise _no_memory(error) from error
        try:
            self._registration.test(region)
        except grpc.RpcError as error:
            raise self._registration.refused(error) from error
        finally:
            region.unlink()

    def take(self, owner: str, size: int) -> tuple[Region, Memory] | None:
        """A registered region of at least `size` bytes, and its memory; `None` if none can be
        allocated or registered now. It is reused for the same `owner` when that array is dead, and
        all views of it."""
        with self._lock:
            region = self._region(owner, size)
            if region is not None and not self._is_registered(region):
                self._drop(region)
                region = None
        return None if region is None else (region, self._memory(region))

    def allocate(self, size: int) -> Memory | None:
        """Memory of at least `size` bytes for a tensor that may be sent later: `find` registers its
        region. `None`, and reused, as with `take`."""
        with self._lock:
            region = self._region("allocated", size)
        return None if region is None else self._memory(region)

    def find(self, array: Tensor) -> Region | None:
        """The region that `array` begins in at its first byte and fills element by element, if it
        is registered or can be now. It is not reused while `array` lives."""
        with self._lock:
            region = self._regions.get(address_of(array))
            if region is None or not array.flags.c_contiguous:
                return None
            fits = PAGE <= array.nbytes <= region.size
            return region if fits and self._is_registered(region) else None

    def forget(self) -> None:
        """The server has lost all registrations, or may have. Does not block; from any thread."""
        self._registration.forget()

    def close(self) -> None:
        """Unlink all regions at once, and unregister them within `CLOSE_TIMEOUT`. Arrays that show
        them stay valid. Idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for region in list(self._regions.values()):
                self._drop(region)
            end = self._clock() + CLOSE_TIMEOUT
            while self._registration.flush() and self._clock() < end:
                self._sleep(_RETRY)
        self._registration.close()

    def _memory(self, region: Region) -> Memory:
        memory = region.array()
        weakref.finalize(memory, self._release, region).atexit = False
        return memory

    def _release(self, region: Region) -> None:
        """By any thread, at any time, as arrays die: so without a lock."""
        (self._retired if region.retired else self._free[region.owner]).append(region)

    # With the lock held.

    def _region(self, owner: str, size: int) -> Region | None:
        """A region that is not in use and may not be registered; `None` if no memory can be
        allocated, which is logged, and after `close`."""
        if self._closed:
            return None
        size = -(-size // PAGE) * PAGE
        try:
            return self._reused(owner, size) or self._new(owner, size)
        except OSError as error:
            self._warn(_no_memory(error).message)
            return None

    def _reused(self, owner: str, size: int) -> Region | None:
        while self._retired:
            self._drop(self._retired.popleft())
        free = self._free.setdefault(owner, deque())
        while free:
            region = free.pop()
            if region.size == size:
                return region
            self._drop(region)
        return None

    def _new(self, owner: str, size: int) -> Region:
        self._registration.flush()
        region = Region(owner, size)
        self._regions[region.address] = region
        return region

    def _is_registered(self, region: Region) -> bool:
        """Whether the server has registered the region, now or before."""
        try:
            self._registration.ensure(region)
        except grpc.RpcError as error:
            if not is_outage(error):
                self._warn(self._registration.refused(error).message)
            return False
        return True

    def _drop(self, region: Region) -> None:
        region.unlink()
        del self._regions[region.address]
        self._registration.remove(region)

    def _warn(self, reason: str) -> None:
        if not self._warned:
            self._warned = True
            _log.warning("%s; tensors without shared memory are sent in messages", reason)


def _no_memory(error: OSError) -> TransportError:
    return TransportError(
        f"cannot allocate shared memory ({error.strerror})",
        key=KEY,
        hint="in a container, raise the limit: `docker run --shm-size=1g`",
    )
