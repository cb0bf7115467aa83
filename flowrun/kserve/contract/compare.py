"""Compare a flow with the signature of its model: mode, names, datatypes and shapes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flowrun.errors import ContractError
from flowrun.inference import OutputReader, Request, Tensor, TensorInfo
from flowrun.kserve.contract.model_info import ModelInfo
from flowrun.kserve.contract.outputs import unreadable_outputs, wrong_outputs
from flowrun.kserve.contract.picture_formats import CHANNELS, fits, is_known, suggest_changes
from flowrun.kserve.contract.servers import (
    MLSERVER,
    OVMS,
    correlation,
    decodes_pictures,
    requires_all_inputs,
)
from flowrun.kserve.contract.suggestions import unknown_name, yaml_lines
from flowrun.kserve.wire.parameters import SEQUENCE_ID
from flowrun.kserve.wire.tensors import BYTES, datatype_of
from flowrun.spec.flow import TransportSpec


def check(
    model: ModelInfo,
    spec: TransportSpec,
    request: Request | None = None,
    *,
    shown: bool = False,
    reads: OutputReader | None = None,
) -> None:
    """Raise the first of `mismatches`."""
    for error in mismatches(model, spec, request, shown=shown, reads=reads):
        raise error


def mismatches(
    model: ModelInfo,
    spec: TransportSpec,
    request: Request | None = None,
    *,
    shown: bool = False,
    reads: OutputReader | None = None,
) -> Iterator[ContractError]:
    """Yield everything that keeps the flow from working with the model: the key, what was found,
    what is expected and what to write.

    `request` is one that the flow would send. Raises `TransportError` if the protocol cannot carry
    it. `shown`: the output becomes the picture, without a postprocess hook. `reads`: postprocess
    hooks, whose own checks of the outputs are called.
    """
    yield from _mode(model, spec)
    if model.inputs and spec.input and model.input(spec.input) is None:
        names = [tensor.name for tensor in model.inputs]
        yield unknown_name(
            f"model {model.name!r} has no input", spec.input, names, "transport.input"
        )
    if request is not None:
        found = list(_tensors(model, spec, request))
        yield from found or _not_recorded(model, spec, request)
    yield from wrong_outputs(model, spec, shown=shown)
    if reads is not None:
        yield from unreadable_outputs(model, spec, reads)


def names_only(model: ModelInfo) -> bool:
    """Whether the server reports the names of the model's inputs, but not their datatypes."""
    return bool(model.inputs) and not any(map(is_known, model.inputs or ()))


def input_name(model: ModelInfo, spec: TransportSpec) -> str:
    """The input for an unnamed tensor. Raises `ContractError` if that is ambiguous."""
    if spec.input:
        return spec.input
    if model.inputs and len(model.inputs) == 1:
        return model.inputs[0].name
    if model.inputs:
        names = ", ".join(repr(tensor.name) for tensor in model.inputs)
        raise ContractError(
            f"model {model.name!r} has {len(model.inputs)} inputs; choose the one for the picture",
            key="transport.input",
            hint=f"it has {names}; a preprocess hook may return a mapping to fill several",
        )
    raise ContractError(
        "the server does not report the name of the model's input",
        key="transport.input",
        hint="write the name as `input` under `transport`",
    )


def name_inputs(
    inputs: Mapping[str, Tensor], model: ModelInfo, spec: TransportSpec
) -> Mapping[str, Tensor]:
    """The tensors by the model's input names: the unnamed one gets the name from `input_name`."""
    if "" not in inputs:
        return inputs
    return {name or input_name(model, spec): tensor for name, tensor in inputs.items()}


def _mode(model: ModelInfo, spec: TransportSpec) -> Iterator[ContractError]:
    if spec.mode == "unary" and model.decoupled:
        one = {"address": spec.address[0]} if len(spec.address) > 1 else {}
        yield ContractError(
            f"model {model.name!r} is decoupled: it sends any number of responses, which needs a"
            " stream",
            key="transport.mode",
            hint=yaml_lines({"mode": "stream", **one}),
        )
    if model.stateful and not spec.sequence and SEQUENCE_ID not in spec.parameters:
        yield ContractError(
            f"model {model.name!r} is stateful: its requests need a sequence",
            key="transport.sequence",
            hint=yaml_lines({"sequence": True}),
        )
    if spec.sequence and model.server in (OVMS, MLSERVER):
        yield ContractError(
            f"{model.server} does not support Triton's sequences",
            key="transport.sequence",
            hint="remove `sequence`",
        )
    if spec.mode == "stream" and model.server == OVMS and any(map(is_known, model.inputs or ())):
        yield ContractError(
            f"model {model.name!r} is not a MediaPipe graph, and {OVMS} streams only those",
            key="transport.mode",
            hint=yaml_lines({"mode": "unary"}),
        )
    if spec.mode == "stream":
        try:
            correlation(spec, model.server)
        except ContractError as error:
            yield error


def _tensors(model: ModelInfo, spec: TransportSpec, request: Request) -> Iterator[ContractError]:
    try:
        inputs = name_inputs(request.inputs, model, spec)
    except ContractError as error:
        yield error
        return
    for name, array in inputs.items():
        tensor = model.input(name)
        if tensor is None and model.inputs and name != spec.input:
            names = [each.name for each in model.inputs]
            yield unknown_name(f"model {model.name!r} has no input", name, names, request.made_by)
        elif tensor is None and model.inputs and len(model.inputs) == 1:
            tensor = model.inputs[0]  # the wrong name is reported; compare the rest
        if tensor is not None and not _accepts(model, tensor, array):
            yield _mismatch(model, tensor, array, spec, request.made_by)
    if requires_all_inputs(model.server) and not (spec.mode == "stream" and names_only(model)):
        yield from _missing(model, inputs, request.made_by)


def _not_recorded(
    model: ModelInfo, spec: TransportSpec, request: Request
) -> Iterator[ContractError]:
    """The model may accept a signature that has no response in the cassette."""
    if model.recorded is None:
        return
    inputs = name_inputs(request.inputs, model, spec)
    signature = tuple(
        (name, datatype_of(array), tuple(array.shape)) for name, array in inputs.items()
    )
    if signature in model.recorded:
        return
    known = _signature_text(min(model.recorded)) if model.recorded else "nothing"
    others = len(model.recorded) - 1
    more = f" (and {others} other{'s' if others > 1 else ''})" if others > 0 else ""
    yield ContractError(
        f"the flow sends {_signature_text(signature)}, but the cassette was recorded with"
        f" {known}{more}",
        key="transport.address" if request.made_by == "transport" else request.made_by,
        hint="use the source and the hooks of the recording, or record it again",
    )


def _signature_text(signature: tuple[tuple[str, str, tuple[int, ...]], ...]) -> str:
    return ", ".join(f"{name!r} {datatype} {list(shape)}" for name, datatype, shape in signature)


def _missing(
    model: ModelInfo, inputs: Mapping[str, Tensor], made_by: str
) -> Iterator[ContractError]:
    known = [tensor.name for tensor in model.inputs or ()]
    missing = [name for name in known if name not in inputs]
    if missing and set(inputs) <= set(known):
        yield ContractError(
            f"model {model.name!r} also needs {', '.join(map(repr, missing))}, which is not sent",
            key="transport.input" if made_by == "transport" else made_by,
            hint="let the last preprocess hook return a mapping of all inputs by name",
        )


def _accepts(model: ModelInfo, tensor: TensorInfo, array: Tensor) -> bool:
    datatype = datatype_of(array)
    if not is_known(tensor):
        return True
    if datatype == BYTES != tensor.datatype:
        return decodes_pictures(model.server, tensor)
    return datatype == tensor.datatype and (not tensor.shape or fits(array.shape, tensor.shape))


def _mismatch(
    model: ModelInfo, tensor: TensorInfo, array: Tensor, spec: TransportSpec, made_by: str
) -> ContractError:
    expected = f"{tensor.datatype} {list(tensor.shape) if tensor.shape else 'of any shape'}"
    sent = f"{datatype_of(array)} {list(array.shape)}"
    text = f"model {model.name!r} expects {tensor.name!r} as {expected}, but the flow sends {sent}"
    if made_by != "transport":
        return ContractError(text, key=made_by, hint="let this hook return what the model expects")
    changes = suggest_changes(tensor, spec, array.shape)
    if changes is None:
        return ContractError(
            f"{text}, and no picture of {CHANNELS} channels fits",
            key="transport.input",
            hint="let a preprocess hook return what the model expects",
        )
    key, hint = changes
    return ContractError(text, key=key, hint=hint)
