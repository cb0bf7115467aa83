"""The signature of a model, from its attributes `input`, `inputs` and `outputs`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flowrun.errors import InvalidFlowError
from flowrun.inference import TensorInfo
from flowrun.kserve.server.models.model import picture
from flowrun.kserve.wire.tensors import BYTES, DATATYPES

ATTRIBUTES = ("input", "inputs", "outputs")


@dataclass(frozen=True, slots=True)
class Signature:
    """The fields of a `Model` of the same names."""

    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    by_name: bool


def read_signature(name: str, declared: Mapping[str, Any]) -> Signature:
    """The signature of the model `name` from its attributes that are set.

    The default is an image "image" and an "output" without datatype and shape. `input` is another
    name for the image. `inputs` maps names to (datatype, shape); the callable then takes a mapping
    from name to array. `outputs` is a name, several names, or a mapping like that of `inputs`.
    Raises `InvalidFlowError` with the key `transport.model` for anything else.
    """
    inputs, outputs = declared.get("inputs"), declared.get("outputs") or "output"
    if inputs is not None and "input" in declared:
        raise _refused(f"{name!r} has the attributes `input` and `inputs`", "remove one of them")
    if inputs is None:
        input_tensors: tuple[TensorInfo, ...] = (picture(declared.get("input", "image")),)
    elif isinstance(inputs, Mapping) and inputs:
        input_tensors = _tensors(name, "inputs", inputs)
    else:
        raise _refused(f"{name!r} has `inputs` = {inputs!r}")
    if isinstance(outputs, Mapping):
        return Signature(
            input_tensors, _tensors(name, "outputs", outputs), by_name=inputs is not None
        )
    names = (outputs,) if isinstance(outputs, str) else tuple(outputs)
    return Signature(input_tensors, tuple(map(TensorInfo, names)), by_name=inputs is not None)


def _tensors(name: str, attribute: str, declared: Mapping[str, Any]) -> tuple[TensorInfo, ...]:
    tensors = []
    for tensor, given in declared.items():
        try:
            datatype, shape = given
            sizes = tuple(shape)
        except (TypeError, ValueError):
            datatype, sizes = None, ()
        if datatype not in (*DATATYPES, BYTES) or not all(map(_is_size, sizes)):
            raise _refused(f"{name!r} has `{attribute}` with {tensor!r} = {given!r}")
        tensors.append(TensorInfo(tensor, datatype, sizes))
    return tuple(tensors)


def _is_size(size: object) -> bool:
    return isinstance(size, int) and size >= -1


def _refused(message: str, hint: str = "") -> InvalidFlowError:
    syntax = (
        'a tensor is declared as {"name": ("FP32", (1, 3, -1, -1))}; datatypes are'
        f" {', '.join(DATATYPES)} and {BYTES}, -1 is any size"
    )
    return InvalidFlowError(message, key="transport.model", hint=hint or syntax)
