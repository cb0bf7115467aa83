"""Whether the model answers what the flow needs of it."""

from __future__ import annotations

from collections.abc import Iterator

from flowrun.errors import ContractError
from flowrun.kserve.contract.model_info import ModelInfo
from flowrun.kserve.contract.picture_formats import CHANNELS, is_known
from flowrun.kserve.contract.suggestions import unknown
from flowrun.kserve.wire.tensor_info import TensorInfo
from flowrun.spec.flow import TransportSpec

_DIMENSIONS = 3  # of a picture
_SHOWN = ("UINT8", "FP16", "FP32", "FP64")  # what can become one


def wrong_outputs(model: ModelInfo, spec: TransportSpec, *, shown: bool) -> Iterator[ContractError]:
    """What is wrong with the outputs that the flow relies on; as `misfits`."""
    outputs = {tensor.name: tensor for tensor in model.outputs or ()}
    if not outputs:
        return
    if spec.output and spec.output not in outputs:
        what = f"model {model.name!r} has no output"
        yield unknown(what, spec.output, list(outputs), "transport.output")
    if not shown:
        return
    hint = "a postprocess hook can make a picture of it"
    if not spec.output and len(outputs) > 1:
        names = ", ".join(map(repr, outputs))
        yield ContractError(
            f"model {model.name!r} has {len(outputs)} outputs; say which one is the picture",
            key="transport.output",
            hint=f"it has {names}; or: {hint}",
        )
        return
    tensor = outputs.get(spec.output) if spec.output else next(iter(outputs.values()))
    if tensor is not None and not _may_be_shown(tensor, spec):
        yield ContractError(
            f"model {model.name!r} answers {tensor.name!r} as {tensor.datatype}"
            f" {list(tensor.shape)}, which is no picture",
            key="transport.output",
            hint=hint,
        )


def _may_be_shown(tensor: TensorInfo, spec: TransportSpec) -> bool:
    """Whether an answer of this form can become a picture by itself."""
    shape = tensor.shape
    if not is_known(tensor) or not shape:
        return True
    if len(shape) > _DIMENSIONS and shape[0] in (-1, 1):
        shape = shape[1:]
    channels = 1 if len(shape) == _DIMENSIONS - 1 else shape[0 if spec.layout == "CHW" else -1]
    picture = len(shape) in (_DIMENSIONS - 1, _DIMENSIONS) and channels in (-1, 1, CHANNELS)
    return picture and tensor.datatype in _SHOWN
