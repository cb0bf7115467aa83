"""Construct and call a model; its exceptions and invalid outputs become statuses of gRPC."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import grpc
import numpy as np

from flowrun.errors import TransportError
from flowrun.foreign import exception_text, is_ctrl_c, type_name
from flowrun.inference import Tensor
from flowrun.kserve.server.models import Infer, Model, ModelError
from flowrun.kserve.wire.tensors import datatype_of
from flowrun.spec.dotted_path import raised_at

_log = logging.getLogger(__name__)


class RefusedError(Exception):
    """A request that fails. A unary call ends with `code`; a stream goes on, with the text as an
    in-stream error, unless the model's instance is `unusable` or the stream must end anyway."""

    def __init__(self, code: grpc.StatusCode, text: str, *, unusable: bool = False) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.unusable = unusable


def invalid(text: str) -> RefusedError:
    return RefusedError(grpc.StatusCode.INVALID_ARGUMENT, text)


def shutting_down() -> RefusedError:
    return RefusedError(grpc.StatusCode.UNAVAILABLE, "the server is shutting down")


def construct(model: Model) -> Infer:
    """A new instance of the model. Raises `RefusedError` if that fails."""
    try:
        return model.make()
    except ModelError as error:
        raise RefusedError(
            grpc.StatusCode.FAILED_PRECONDITION, f"model {model.name!r} {error}"
        ) from error
    except BaseException as error:
        if is_ctrl_c(error):
            raise
        _log.debug("constructing model %r", model.name, exc_info=error)
        raise RefusedError(
            grpc.StatusCode.FAILED_PRECONDITION,
            f"model {model.name!r} could not be constructed: {_described(error)}",
        ) from error


def run(model: Model, infer: Infer, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Call the model on this thread. Its outputs by name; empty if it returned `None`. Raises
    `RefusedError`."""
    given = inputs if model.by_name else inputs[model.inputs[0].name]
    try:
        returned: object = infer(given)
    except ModelError as error:
        raise RefusedError(
            grpc.StatusCode.INTERNAL, f"model {model.name!r} {error}", unusable=error.unusable
        ) from error
    except BaseException as error:
        if is_ctrl_c(error):
            raise
        _log.debug("running model %r", model.name, exc_info=error)
        raise RefusedError(
            grpc.StatusCode.INTERNAL, f"model {model.name!r} raised {_described(error)}"
        ) from error
    try:
        return _outputs(model, returned)
    except RefusedError:
        raise
    except BaseException as error:  # an object may answer anything
        if is_ctrl_c(error):
            raise
        text = f"model {model.name!r} returned {type_name(returned)}, which raised"
        raise RefusedError(grpc.StatusCode.INTERNAL, f"{text} {exception_text(error)}") from error


def _outputs(model: Model, returned: object) -> dict[str, Tensor]:
    if returned is None:
        return {}
    outputs = dict(returned if isinstance(returned, Mapping) else {model.outputs[0].name: returned})
    for name, array in outputs.items():
        if not isinstance(name, str):
            raise RefusedError(
                grpc.StatusCode.INTERNAL,
                f"model {model.name!r} returned a mapping with {type_name(name)} as a name",
            )
        _check_output(model, name, array)
    return outputs


def dispose(model: Model, infer: Infer) -> None:
    """Call the `close` of an instance of a model, if it has one. Its exceptions are logged."""
    try:
        getattr(infer, "close", lambda: None)()
    except BaseException as error:
        if is_ctrl_c(error):
            raise
        _log.warning("closing model %r raised %s", model.name, _described(error))


def fits(shape: tuple[int, ...], declared: tuple[int, ...]) -> bool:
    return len(shape) == len(declared) and all(
        allowed in (-1, size) for size, allowed in zip(shape, declared, strict=True)
    )


def _check_output(model: Model, name: str, array: object) -> None:
    returned = f"model {model.name!r} returned"
    if not isinstance(array, np.ndarray):
        raise _not_an_array(f"{returned} {type_name(array)} as {name!r}")
    try:
        datatype = datatype_of(array)
    except TransportError as error:
        raise _not_an_array(f"{returned} {array.dtype} as {name!r}") from error
    declared = next((tensor for tensor in model.outputs if tensor.name == name), None)
    if declared is None or declared.datatype == "INVALID":
        return
    if datatype != declared.datatype or (declared.shape and not fits(array.shape, declared.shape)):
        raise RefusedError(
            grpc.StatusCode.INTERNAL,
            f"{returned} {name!r} as {datatype} {list(array.shape)}, but declares it as"
            f" {declared.datatype} {list(declared.shape)}",
        )


def _not_an_array(text: str) -> RefusedError:
    return RefusedError(
        grpc.StatusCode.INTERNAL,
        f"{text}; it must be a numpy array of numbers, booleans or bytes",
    )


def _described(error: BaseException) -> str:
    return f"{exception_text(error)} (at {raised_at(error)})"
