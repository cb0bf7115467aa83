"""Send tensors in shared memory instead of in messages."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import replace
from functools import partial

import numpy as np

from flowrun.errors import TransportError
from flowrun.inference import NOT_SHARED, Place, Placement, Request, Result, Tensor, new_future
from flowrun.kserve.contract.compare import name_inputs
from flowrun.kserve.contract.model_info import ModelTransport
from flowrun.kserve.shared_memory.pool import Pool
from flowrun.kserve.shared_memory.region import PAGE, Region
from flowrun.kserve.shared_memory.registration import OUTAGE_STATUSES
from flowrun.kserve.wire.tensors import BYTES, DATATYPES, datatype_of
from flowrun.spec.flow import TransportSpec

_GROWTH = 1.25  # times the size of an output that has outgrown its region

_Form = tuple[tuple[str, str, tuple[int, ...]], ...]  # name, dtype and shape of each input


class SharedMemoryTransport:
    """`inner` with tensors of at least one page in regions of `pool`.

    The first requests of each form (names, types and shapes of the inputs) are sent in messages;
    their responses have the sizes of the outputs. After that inputs are copied into regions, unless
    they are in one already, and outputs are read-only views of theirs. No region is reused while
    such an input or view is alive. If an output does not fit, or the server has lost the
    registration of a region, the server responds with an error, and the same request is sent once
    more, in a message. The regions of a request that fails are never reused, as the server may
    still write to them.
    """

    def __init__(self, inner: ModelTransport, spec: TransportSpec, pool: Pool) -> None:
        self.model = inner.model
        self._inner = inner
        self._spec = spec
        self._pool = pool
        self._outputs = spec.outputs or [tensor.name for tensor in inner.model.outputs or ()]
        self._sending = threading.Lock()  # one thread at a time submits
        self._sizes: tuple[_Form, dict[str, int]] = ((), {})  # of the outputs, for a form

    @property
    def reopened(self) -> int:
        return self._inner.reopened

    def submit(self, request: Request) -> Future[Result | None]:
        future = new_future()
        self._send(request, future, share=True)
        return future

    def close(self) -> None:
        self._inner.close()
        self._pool.close()

    def _send(self, request: Request, future: Future[Result | None], *, share: bool) -> None:
        form = tuple((name, each.dtype.str, each.shape) for name, each in request.inputs.items())
        placement, regions = NOT_SHARED, list[Region]()
        held: list[Placement] = []
        with self._sending:
            known, sizes = self._sizes
            if share and form == known:
                placement = self._placements(request.inputs, sizes, regions)
            held.append(placement)
            sent = self._inner.submit(replace(request, placement=placement))
        sent.add_done_callback(partial(self._ended, request, form, held, regions, future))

    def _placements(
        self, inputs: Mapping[str, Tensor], sizes: Mapping[str, int], regions: list[Region]
    ) -> Placement:
        """Copy the inputs into regions, and take regions for the outputs; adds all of them to
        `regions`. A tensor for which there is none has no place."""

        def place(owner: str, size: int) -> Place | None:
            taken = self._pool.take(owner, size) if size >= PAGE else None
            if taken is None:
                return None
            region, memory = taken
            regions.append(region)
            return region.name, memory.data[:size]

        placed: dict[str, Place] = {}
        for name, array in name_inputs(inputs, self.model, self._spec).items():
            datatype = datatype_of(array)
            if datatype == BYTES:
                continue
            dtype = DATATYPES[datatype][0]
            if array.dtype == dtype and (region := self._pool.find(array)) is not None:
                regions.append(region)
                placed[name] = region.name, array.reshape(-1).view(np.uint8).data
            elif (found := place(f"input {name}", array.nbytes)) is not None:
                placed[name] = found
                np.frombuffer(found[1], dtype).reshape(array.shape)[...] = array
        outputs: dict[str, Place | None] = {}
        for name in self._outputs:
            found = place(f"output {name}", sizes.get(name, 0))
            outputs[name] = found and (found[0], found[1].toreadonly())
        return Placement(placed, outputs) if regions else NOT_SHARED

    def _ended(
        self,
        request: Request,
        form: _Form,
        held: list[Placement],  # keeps the memory allocated until the outcome is known
        regions: list[Region],
        future: Future[Result | None],
        sent: Future[Result | None],
    ) -> None:
        error = sent.exception()
        if error is None:
            held.clear()
            result = sent.result()
            self._learn(form, result.outputs if result else {})
            future.set_result(result)
            return
        for region in regions:
            region.retired = True
        held.clear()
        if isinstance(error, TransportError):
            misplaced = bool(regions) and "shared memory" in error.message
            if misplaced or error.code in OUTAGE_STATUSES:
                self._pool.forget()
            if misplaced:
                try:
                    self._send(request, future, share=False)
                except TransportError as closed:
                    future.set_exception(closed)
                return
        future.set_exception(error)

    def _learn(self, form: _Form, outputs: Mapping[str, Tensor]) -> None:
        """Remember the sizes of the outputs for inputs of this form, only for the last form.
        Responses may arrive on several threads: at worst one of them is not remembered."""
        known, sizes = self._sizes
        sizes = dict(sizes) if form == known else {}
        for name, tensor in outputs.items():
            size = sizes.get(name, 0)
            if tensor.dtype.kind != "O" and tensor.nbytes > size:
                sizes[name] = int(tensor.nbytes * _GROWTH) if size else tensor.nbytes
        self._sizes = form, sizes
