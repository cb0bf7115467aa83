"""Compare the outputs of a model with what the flow needs."""

from __future__ import annotations

from collections.abc import Iterator

from flowrun.errors import ContractError
from flowrun.kserve.contract.model_info import ModelInfo
from flowrun.kserve.contract.picture_formats import CHANNELS, is_known
from flowrun.kserve.contract.suggestions import unknown_name
from flowrun.kserve.wire.tensor_info import TensorInfo
from flowrun.spec.flow import TransportSpec

_DIMENSIONS = 3  # of a picture
_SHOWN = ("UINT8", "FP16", "FP32", "FP64")  # can be converted to one


def wrong_outputs(model: ModelInfo, spec: TransportSpec, *, shown: bool) -> Iterator[ContractError]:
    """Yield what is wrong with the outputs that the flow relies on; as `mismatches`."""
    outputs = {tensor.name: tensor for tensor in model.outputs or ()}
    if not outputs:
        return
    if spec.output and spec.output not in outputs:
        what = f"model {model.name!r} has no output"
        yield unknown_name(what, spec.output, list(outputs), "transport.output")
    if not shown:
        return
    hint = "use a postprocess hook to make a picture from it"
    if not spec.output and len(outputs) > 1:
        names = ", ".join(map(repr, outputs))
        yield ContractError(
            f"model {model.name!r} has {len(outputs)} outputs; choose the one that is the picture",
            key="transport.output",
            hint=f"it has {names}; or: {hint}",
        )
        return
    tensor = outputs.get(spec.output) if spec.output else next(iter(outputs.values()))
    if tensor is not None and not _may_be_picture(tensor, spec):
        yield ContractError(
            f"model {model.name!r} returns {tensor.name!r} as {tensor.datatype}"
            f" {list(tensor.shape)}, which is not a picture",
            key="transport.output",
            hint=hint,
        )


def _may_be_picture(tensor: TensorInfo, spec: TransportSpec) -> bool:
    """Whether a tensor of this form can be converted to a picture without a hook."""
    shape = tensor.shape
    if not is_known(tensor) or not shape:
        return True
    if len(shape) > _DIMENSIONS and shape[0] in (-1, 1):
        shape = shape[1:]
    channels = 1 if len(shape) == _DIMENSIONS - 1 else shape[0 if spec.layout == "CHW" else -1]
    picture = len(shape) in (_DIMENSIONS - 1, _DIMENSIONS) and channels in (-1, 1, CHANNELS)
    return picture and tensor.datatype in _SHOWN
