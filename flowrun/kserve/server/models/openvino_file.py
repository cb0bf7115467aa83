"""Model files, run by OpenVINO on the CPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from flowrun.errors import InvalidFlowError, UsageError
from flowrun.inference import Tensor, TensorInfo
from flowrun.kserve.server.models.model import Model, ModelError
from flowrun.kserve.server.models.requirements import require

SUFFIXES = (".xml", ".onnx")

_LONGEST = 300  # characters of an error of OpenVINO that are shown
_NOISE = (
    "Exception from ",
    "Check '",
    "FrontEnd API failed ",
)  # lines with places in OpenVINO's source
_DATATYPES = {
    "boolean": "BOOL",
    "u8": "UINT8",
    "u16": "UINT16",
    "u32": "UINT32",
    "u64": "UINT64",
    "i8": "INT8",
    "i16": "INT16",
    "i32": "INT32",
    "i64": "INT64",
    "f16": "FP16",
    "f32": "FP32",
    "f64": "FP64",
}


Shapes = Mapping[str, tuple[int, ...]]  # by input; "" is the only one; -1 is any size


def parse_shape(argument: str) -> tuple[str, tuple[int, ...]]:
    """Input and shape of `NAME=1,3,640,640` or `1,3,640,640`. Raises `UsageError`."""
    name, _, text = argument.rpartition("=")
    try:
        sizes = tuple(int(size) for size in text.strip("[]()").split(","))
    except ValueError:
        sizes = ()
    if not sizes or not all(size > 0 or size == -1 for size in sizes):
        raise UsageError(
            f"{argument!r} is not a shape",
            key="--shape",
            hint="write it as 1,3,640,640 or, for one of several inputs, NAME=1,3,640,640; -1 is"
            " any size",
        )
    return name, sizes


def is_file(name: str) -> bool:
    """Whether `name` is the path of a model file, by its suffix."""
    return name.lower().endswith(SUFFIXES)


def file_model(name: str, path: str, shapes: Shapes | None = None) -> Model:
    """Read and compile the model in the file at `path` (OpenVINO IR or ONNX), called `name`.

    Names, datatypes and shapes of its tensors are the file's, with -1 for dynamic sizes; `shapes`
    are other shapes of its inputs, for which it is compiled. Every
    instance is an infer request of its own; a single request uses all cores. Raises
    `InvalidFlowError` with the key `transport.model` if the file is missing or OpenVINO cannot
    compile it, and `UsageError` with the key `--shape` for an input that it does not have.
    """
    require("openvino", "openvino", name)
    if not Path(path).is_file():
        raise InvalidFlowError(
            f"there is no file {path!r}",
            key="transport.model",
            hint=f"looked in {Path.cwd()}",
        )
    try:
        # On a thread that ends at once: OpenVINO's CPU plugin gives the thread that loads it a
        # signal stack, frees that with the last model, and the thread crashes at the next signal.
        with ThreadPoolExecutor(1) as thread:
            compiled = thread.submit(_compiled, path, shapes or {}).result()
    except RuntimeError as error:
        raise InvalidFlowError(
            f"OpenVINO cannot compile {path!r}: {_shortened(error)}", key="transport.model"
        ) from error
    inputs = tuple(_tensor(path, port) for port in compiled.inputs)
    outputs = tuple(_tensor(path, port) for port in compiled.outputs)

    def make() -> _Request:
        return _Request(compiled.create_infer_request(), inputs, outputs)

    return Model(name, make, inputs, outputs, by_name=True)


def _compiled(path: str, shapes: Shapes) -> Any:
    import openvino

    core = openvino.Core()
    if not shapes:
        return core.compile_model(path, "CPU")
    model = core.read_model(path)
    names = [port.any_name if port.names else port.node.friendly_name for port in model.inputs]
    changed = {}
    for name, sizes in shapes.items():
        port = _input_named(path, name, names)
        changed[model.inputs[port]] = openvino.PartialShape(list(sizes))
    model.reshape(changed)
    return core.compile_model(model, "CPU")


def _input_named(path: str, name: str, names: Sequence[str]) -> int:
    """The number of the input `name`; an empty name is the only one."""
    if name in names:
        return names.index(name)
    if not name and len(names) == 1:
        return 0
    found = f"{path!r} has no input {name!r}" if name else f"{path!r} has several inputs"
    raise UsageError(found, key="--shape", hint=f"its inputs: {', '.join(names)}")


class _Request:
    """An infer request, called by one thread at a time."""

    def __init__(
        self, request: Any, inputs: tuple[TensorInfo, ...], outputs: tuple[TensorInfo, ...]
    ) -> None:
        self._request = request
        self._inputs = inputs
        self._outputs = outputs

    def __call__(self, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """New arrays. Raises `ModelError` with the text of OpenVINO."""
        try:
            # By position: tensors without a name in the file get one from `_tensor`.
            result = self._request.infer([given[tensor.name] for tensor in self._inputs])
        except RuntimeError as error:
            raise ModelError(f"cannot run with these inputs: {_shortened(error)}") from error
        return {tensor.name: result[index] for index, tensor in enumerate(self._outputs)}


def _tensor(path: str, port: Any) -> TensorInfo:
    name = port.any_name if port.names else port.node.friendly_name
    kind = port.element_type.get_type_name()
    if kind not in _DATATYPES:
        raise InvalidFlowError(
            f"{path!r} has the tensor {name!r} of type {kind}, which flowrun does not support",
            key="transport.model",
            hint=f"supported types: {', '.join(_DATATYPES)}",
        )
    shape = port.partial_shape
    sizes = () if shape.rank.is_dynamic else tuple(_size(size) for size in shape)
    return TensorInfo(name, _DATATYPES[kind], sizes)


def _size(size: Any) -> int:
    return -1 if size.is_dynamic else int(size.get_length())


def _shortened(error: RuntimeError) -> str:
    lines = [line for line in str(error).splitlines() if not line.startswith(_NOISE)]
    text = " ".join(" ".join(lines).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
