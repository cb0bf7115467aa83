"""The available models, and how a name is resolved to one."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from flowrun.errors import InvalidFlowError
from flowrun.foreign import exception_text
from flowrun.kserve.server.models import isolated
from flowrun.kserve.server.models.edges import edges
from flowrun.kserve.server.models.face_detection import FACE_DETECTION
from flowrun.kserve.server.models.grayscale import grayscale
from flowrun.kserve.server.models.identity import identity
from flowrun.kserve.server.models.model import Model, ModelError, image_model
from flowrun.kserve.server.models.openvino_file import Shapes, file_model, is_file
from flowrun.kserve.server.models.requirements import require
from flowrun.kserve.server.models.signature import ATTRIBUTES, read_signature
from flowrun.kserve.server.models.workers import worker_model
from flowrun.spec.dotted_path import DottedPathError, resolve

MODELS: dict[str, Model] = {
    "identity": image_model("identity", identity),
    "grayscale": image_model("grayscale", grayscale),
    "edges": image_model("edges", edges),
    "face-detection": FACE_DETECTION,
}
# Models that need an environment of their own: (file and class in `isolated`, what to install).
ISOLATED = {
    "holisticTracking": ("holistic_tracking.py:HolisticTracking", "mediapipe==0.10.21"),
    "irisTracking": ("iris_tracking.py:IrisTracking", "mediapipe==0.10.21"),
}
VENV = ".venv-mediapipe"
REQUIREMENTS = {  # built-in model → (package, distribution that installs it)
    "face-detection": ("cv2", "'opencv-python-headless<5'")
}


def parse_name(argument: str) -> tuple[str, str]:
    """Name and model of `NAME=MODEL`. The default name of a file is its stem; of any other model,
    the model itself."""
    name, equals, model = argument.partition("=")
    if not equals:
        return Path(argument).stem if is_file(argument) else argument, argument
    return name, model


def resolve_model(
    model: str,
    name: str | None = None,
    shapes: Shapes | None = None,
    folders: Sequence[str] = (),
) -> Model:
    """The built-in `model`, the one in the file at that path, or the callable or class at that
    dotted path, which may be in `folders`; called `name`, by default `model`. `shapes` are those of
    the inputs of a file.

    A class is constructed without arguments. A callable may declare its tensors in attributes (see
    `read_signature`). Imports the user's module. Raises `InvalidFlowError` with the key
    `transport.model`.
    """
    name = name or model
    if model in MODELS:
        if model in REQUIREMENTS:
            require(*REQUIREMENTS[model], model)
        return replace(MODELS[model], name=name)
    if is_file(model):
        return file_model(name, model, shapes)
    if model in ISOLATED:
        raise InvalidFlowError(
            f"model {model!r} needs an environment of its own",
            key="transport.model",
            hint=f"{_environment(model)} && flowrun serve {model} --python {VENV}/bin/python",
        )
    if ":" not in model:
        raise InvalidFlowError(
            f"there is no built-in model {model!r}", key="transport.model", hint=_choices(model)
        )
    return _callable(name, model, folders)


def resolve_isolated(model: str, name: str, python: str) -> Model:
    """The model of `ISOLATED`, or the callable or class at the dotted path, in processes of the
    interpreter `python`, which needs neither flowrun nor gRPC. Other models as `resolve_model`.

    Starts a process. Raises `InvalidFlowError` with the key `transport.model` or `--python`.
    """
    if model not in ISOLATED and (model in MODELS or is_file(model) or ":" not in model):
        return resolve_model(model, name)
    target = (
        str(Path(isolated.__file__).with_name(ISOLATED[model][0])) if model in ISOLATED else model
    )
    try:
        return worker_model(name, target, python)
    except OSError as error:
        raise InvalidFlowError(
            f"{python!r} cannot be run: {error.strerror}",
            key="--python",
            hint="set it to the python of an environment"
            + (f": {_environment(model)}" if model in ISOLATED else ""),
        ) from error
    except ModelError as error:
        raise InvalidFlowError(
            f"model {model!r} {error}",
            key="--python",
            hint=_environment(model) if model in ISOLATED else None,
        ) from error


def _environment(model: str) -> str:
    """The command that makes the environment of one of `ISOLATED`."""
    return f"python3 -m venv {VENV} && {VENV}/bin/pip install {ISOLATED[model][1]}"


def _callable(name: str, path: str, folders: Sequence[str]) -> Model:
    try:
        found = resolve(path, folders)
    except DottedPathError as error:
        raise InvalidFlowError(
            error.message, key="transport.model", hint=error.hint or None
        ) from error
    try:
        return _inspected(name, path, found)
    except InvalidFlowError:
        raise
    except Exception as error:  # an object may answer anything
        raise InvalidFlowError(
            f"{path!r} cannot be inspected: {exception_text(error)}", key="transport.model"
        ) from error


def _inspected(name: str, path: str, found: Any) -> Model:
    if not callable(found) or (isinstance(found, type) and not _has_call(found)):
        raise InvalidFlowError(
            f"{path!r} is {_what(found)}",
            key="transport.model",
            hint="a model is a function that takes an image, or a class with __call__(self, image)",
        )
    declared = {each: getattr(found, each) for each in ATTRIBUTES if hasattr(found, each)}
    signature = read_signature(path, declared)
    return Model(
        name,
        # An object that the module has constructed is not ours to close.
        found if isinstance(found, type) else lambda: found.__call__,
        signature.inputs,
        signature.outputs,
        by_name=signature.by_name,
    )


def _choices(name: str) -> str:
    names = [*MODELS, *ISOLATED]
    nearest = difflib.get_close_matches(name, names, n=1)
    guess = f"did you mean {nearest[0]!r}? " if nearest else ""
    return (
        f"{guess}built-in models: {', '.join(names)}; for your own write package.module:name, or"
        " the path of an .onnx or .xml file"
    )


def _has_call(cls: type) -> bool:
    return any("__call__" in vars(base) for base in cls.__mro__)


def _what(found: Any) -> str:
    if isinstance(found, type):
        return "a class without __call__"
    return f"of type {type(found).__name__}, which is not callable"
