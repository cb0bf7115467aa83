"""Compare the outputs of a model with what the flow needs."""

from __future__ import annotations

from collections.abc import Iterator

from flowrun.errors import ContractError, OutputsError
from flowrun.inference import OutputReader, TensorInfo
from flowrun.kserve.contract.model_info import ModelInfo
from flowrun.kserve.contract.picture_formats import CHANNELS, is_known
from flowrun.kserve.contract.servers import OVMS
from flowrun.kserve.contract.suggestions import unknown_name
from flowrun.spec.flow import TransportSpec

_DIMENSIONS = 3  # of a picture
_MAX_NAMES = 8  # of outputs that are listed
_SHOWN = ("UINT8", "FP16", "FP32", "FP64")  # can be converted to one


def requested(
    model: ModelInfo, spec: TransportSpec, reads: OutputReader | None, *, shown: bool
) -> tuple[str, ...]:
    """The outputs that a request names; empty: none, and the server sends all that the model has.

    These are `spec.outputs`; or, if the server reports others, too, `spec.output` if it is the
    picture (`shown`), or those that the postprocess hooks read (`reads`). OpenVINO Model Server is
    only asked if the flow has `outputs`.
    """
    if spec.outputs is not None:
        return spec.outputs
    names = [tensor.name for tensor in model.outputs or ()]
    if len(names) < 2 or model.server == OVMS:  # noqa: PLR2004
        return ()
    if shown:
        return (spec.output,) if spec.output else ()
    read = reads and reads.names
    return tuple(name for name in names if name in (read or ()))


def wrong_outputs(model: ModelInfo, spec: TransportSpec, *, shown: bool) -> Iterator[ContractError]:
    """Yield what is wrong with the outputs that the flow relies on; as `mismatches`."""
    if spec.output and spec.outputs is not None and spec.output not in spec.outputs:
        yield ContractError(
            f"{spec.output!r} is not among `transport.outputs`",
            key="transport.output",
            hint="add it to `outputs`, which has all outputs that are requested",
        )
        return
    outputs = {tensor.name: tensor for tensor in model.outputs or ()}
    if not outputs:
        return
    what = f"model {model.name!r} has no output"
    if spec.output and spec.output not in outputs:
        yield unknown_name(what, spec.output, list(outputs), "transport.output")
    for number, name in enumerate(spec.outputs or ()):
        if name not in outputs:
            yield unknown_name(what, name, list(outputs), f"transport.outputs[{number}]")
    if spec.outputs is not None:
        outputs = {name: tensor for name, tensor in outputs.items() if name in spec.outputs}
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


def unreadable_outputs(
    model: ModelInfo, spec: TransportSpec, reads: OutputReader
) -> Iterator[OutputsError]:
    """Yield an error for each postprocess hook that cannot read the outputs that are requested;
    none if the server does not report the outputs."""
    outputs = {
        tensor.name: tensor
        for tensor in model.outputs or ()
        if spec.outputs is None or tensor.name in spec.outputs
    }
    if not outputs:
        return
    each = [f"{name!r} {_form(tensor)}" for name, tensor in outputs.items()]
    more = f" and {len(each) - _MAX_NAMES} more" if len(each) > _MAX_NAMES else ""
    has = f"it has {', '.join(each[:_MAX_NAMES])}{more}"
    for problem in reads.problems(outputs):
        yield OutputsError(
            f"{problem.hook} does not fit model {model.name!r}: {problem.message}",
            key=problem.key,
            hint="\n".join(filter(None, (has, problem.hint))),
        )


def _form(tensor: TensorInfo) -> str:
    return f"{tensor.datatype} {list(tensor.shape)}" if is_known(tensor) else "of an unknown form"


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
