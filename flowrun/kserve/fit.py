"""Whether flow and model fit: names, datatypes and shapes, compared without a server."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from flowrun.errors import ContractError
from flowrun.inference import Tensor
from flowrun.kserve.contract import ModelInfo, unknown
from flowrun.kserve.models.model import TensorInfo
from flowrun.kserve.servers import OVMS
from flowrun.kserve.tensors import BYTES, DATATYPES, datatype_of
from flowrun.spec.flow import TransportSpec

CHANNELS = 3
_PICTURE = 3  # dimensions
_DTYPES = {
    "uint8": "UINT8",
    "int8": "INT8",
    "uint16": "UINT16",
    "int16": "INT16",
    "int32": "INT32",
    "fp16": "FP16",
    "fp32": "FP32",
    "fp64": "FP64",
}


def check_flow(
    model: ModelInfo, spec: TransportSpec, wanted: Collection[str] = (), *, pictures: bool = True
) -> None:
    """Raise `ContractError`, naming the key, if the flow cannot work with the model.

    `pictures`: what goes to the model is the picture as `dtype`, `layout`, `batch` and `encoding`
    say. Without it (hooks send tensors of their own) names are compared and nothing else.
    """
    if model.inputs and spec.input and model.input(spec.input) is None:
        names = [tensor.name for tensor in model.inputs]
        raise unknown(f"model {model.name!r} has no input", spec.input, names, "transport.input")
    if model.outputs:
        names = [tensor.name for tensor in model.outputs]
        for name in filter(None, (spec.output, *wanted)):
            if name not in names:
                what = f"model {model.name!r} has no output"
                raise unknown(what, name, names, "transport.output")
    if pictures:
        tensor = model.input(input_name(model, spec))
        if tensor is not None and tensor.datatype in (*DATATYPES, BYTES):
            (_check_jpeg if spec.encoding == "jpeg" else _check_picture)(model, tensor, spec)


def input_name(model: ModelInfo, spec: TransportSpec) -> str:
    """The input that an unnamed tensor goes to. Raises `ContractError` if that is not clear."""
    if spec.input:
        return spec.input
    if model.inputs and len(model.inputs) == 1:
        return model.inputs[0].name
    if model.inputs:
        names = ", ".join(repr(tensor.name) for tensor in model.inputs)
        raise ContractError(
            f"model {model.name!r} has {len(model.inputs)} inputs; say which one takes the picture",
            key="transport.input",
            hint=f"it has {names}; a preprocess hook may return a mapping to fill several",
        )
    raise ContractError(
        "the server does not say what the model's input is called",
        key="transport.input",
        hint="name it",
    )


def named(
    inputs: Mapping[str, Tensor], model: ModelInfo, spec: TransportSpec
) -> Mapping[str, Tensor]:
    """The tensors under the model's own names: the unnamed one goes where `input_name` says."""
    if "" not in inputs:
        return inputs
    return {name or input_name(model, spec): tensor for name, tensor in inputs.items()}


def check_request(model: ModelInfo, inputs: Mapping[str, Tensor]) -> None:
    """Raise `ContractError` if these tensors, by the model's own names, do not fit its metadata."""
    if not model.inputs:
        return
    for name, array in inputs.items():
        tensor = model.input(name)
        if tensor is None:
            names = [each.name for each in model.inputs]
            raise unknown(f"model {model.name!r} has no input", name, names, "transport.input")
        given = datatype_of(array)
        if tensor.datatype not in (*DATATYPES, BYTES):
            continue
        if given == BYTES and tensor.datatype != BYTES and model.server == OVMS:
            continue  # OVMS decodes JPEG and PNG for models that take numbers
        if given != tensor.datatype:
            raise ContractError(
                f"model {model.name!r} takes {name!r} as {tensor.datatype}, but it is sent {given}",
                key="transport.dtype",
            )
        if tensor.shape and not _fits(array.shape, tensor.shape):
            raise ContractError(
                f"model {model.name!r} takes {name!r} in the shape {list(tensor.shape)}, but it is"
                f" sent {list(array.shape)}",
                key="transport.input",
                hint="a preprocess hook can resize; see also `transport.layout` and"
                " `transport.batch`",
            )


def _check_jpeg(model: ModelInfo, tensor: TensorInfo, spec: TransportSpec) -> None:
    if tensor.datatype == BYTES:
        return
    if model.server != OVMS:
        raise ContractError(
            f"model {model.name!r} takes {tensor.name!r} as {tensor.datatype}, and its server does"
            f" not decode {spec.encoding}",
            key="transport.encoding",
            hint="write `encoding: raw`",
        )
    if tensor.shape and len(tensor.shape) != _PICTURE + 1:  # what OVMS decodes into
        raise _no_picture(
            f"model {model.name!r} takes {tensor.name!r} in the shape {list(tensor.shape)}"
        )


def _check_picture(model: ModelInfo, tensor: TensorInfo, spec: TransportSpec) -> None:
    takes = f"model {model.name!r} takes {tensor.name!r}"
    if tensor.datatype != _DTYPES[spec.dtype]:
        names = [name for name, datatype in _DTYPES.items() if datatype == tensor.datatype]
        hint = f"write `dtype: {names[0]}`" if names else "a preprocess hook must make that"
        if tensor.datatype == BYTES:
            hint = "write `encoding: jpeg`, if it decodes pictures"
        raise ContractError(f"{takes} as {tensor.datatype}", key="transport.dtype", hint=hint)
    if not tensor.shape:
        return
    takes = f"{takes} in the shape {list(tensor.shape)}"
    rank = _PICTURE + spec.batch
    if len(tensor.shape) != rank:
        if len(tensor.shape) in (_PICTURE, _PICTURE + 1):
            raise ContractError(
                f"{takes}, but `batch: {str(spec.batch).lower()}` sends {rank} dimensions",
                key="transport.batch",
                hint=f"write `batch: {str(not spec.batch).lower()}`",
            )
        raise _no_picture(takes)
    if spec.batch and tensor.shape[0] not in (-1, 1):
        raise ContractError(f"{takes}, but pictures are sent one by one", key="transport.batch")
    last, first = tensor.shape[-1], tensor.shape[-_PICTURE]
    here, there = (last, first) if spec.layout == "HWC" else (first, last)
    if here == CHANNELS or (here == -1 and there != CHANNELS):
        return
    if there != CHANNELS:
        raise _no_picture(takes)
    other = "CHW" if spec.layout == "HWC" else "HWC"
    raise ContractError(
        f"{takes}, which is {other}", key="transport.layout", hint=f"write `layout: {other}`"
    )


def _no_picture(takes: str) -> ContractError:
    return ContractError(
        f"{takes}, which is no picture of {CHANNELS} channels",
        key="transport.input",
        hint="a preprocess hook must make it from the picture",
    )


def _fits(shape: tuple[int, ...], declared: tuple[int, ...]) -> bool:
    return len(shape) == len(declared) and all(
        allowed in (-1, size) for size, allowed in zip(shape, declared, strict=True)
    )
