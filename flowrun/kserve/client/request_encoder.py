"""Encode requests for one model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from flowrun.inference import Parameter, Request
from flowrun.kserve.contract.compare import check, name_inputs
from flowrun.kserve.contract.model_info import ModelInfo
from flowrun.kserve.wire import requests
from flowrun.kserve.wire.send_buffers import SendBuffers
from flowrun.spec.flow import TransportSpec


class RequestEncoder:
    """`encode` is for the thread that submits; each function that it returns for any one thread.

    `allocate` gives memory for tensors that then need not be copied into their message.
    """

    def __init__(self, spec: TransportSpec, model: ModelInfo) -> None:
        self._spec = spec
        self._model = model
        self._send_buffers = SendBuffers()
        self._checked = False  # the first request, against the model's metadata
        self.allocate = self._send_buffers.allocate

    def encode(
        self, request: Request, request_id: str, parameters: Mapping[str, Parameter]
    ) -> Callable[[], bytes]:
        """The function that makes the message of `request`, to be called once.

        The first request is compared with the model's metadata. Raises `ContractError` for a
        request that does not fit the model and `TransportError` for what the protocol cannot carry.
        """
        if not self._checked:
            check(self._model, self._spec, request)
            self._checked = True
        pieces = requests.pieces(
            self._spec.model,
            self._spec.version,
            request_id,
            name_inputs(request.inputs, self._model, self._spec),
            parameters,
            request.placement,
            self._spec.outputs or (),
        )
        return partial(self._send_buffers.message, pieces, request)
