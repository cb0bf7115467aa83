"""Which models there are, and how a name becomes one."""

from __future__ import annotations

import difflib
from typing import Any

from flowrun.dotted import DottedPathError, resolve
from flowrun.errors import InvalidFlowError
from flowrun.kserve.models.edges import edges
from flowrun.kserve.models.grayscale import grayscale
from flowrun.kserve.models.identity import identity
from flowrun.kserve.models.model import Model, image_model
from flowrun.kserve.models.signature import ATTRIBUTES, read_signature

MODELS: dict[str, Model] = {
    "identity": image_model("identity", identity),
    "grayscale": image_model("grayscale", grayscale),
    "edges": image_model("edges", edges),
}


def resolve_model(name: str) -> Model:
    """The built-in model `name`, or the callable or class at the dotted path `name`.

    A class is constructed without arguments. A callable may say what its tensors are by attributes
    (see `read_signature`). Imports the user's module. Raises `InvalidFlowError` with the key
    `transport.model`.
    """
    if name in MODELS:
        return MODELS[name]
    if ":" not in name:
        raise InvalidFlowError(
            f"there is no built-in model {name!r}", key="transport.model", hint=_choices(name)
        )
    try:
        found = resolve(name)
    except DottedPathError as error:
        raise InvalidFlowError(
            error.message, key="transport.model", hint=error.hint or None
        ) from error
    if not callable(found) or (isinstance(found, type) and not _has_call(found)):
        raise InvalidFlowError(
            f"{name!r} is {_what(found)}",
            key="transport.model",
            hint="a model is a function that takes an image, or a class with __call__(self, image)",
        )
    declared = {each: getattr(found, each) for each in ATTRIBUTES if hasattr(found, each)}
    signature = read_signature(name, declared)
    return Model(
        name,
        # What the module made is the module's own to close.
        found if isinstance(found, type) else lambda: found.__call__,
        signature.inputs,
        signature.outputs,
        by_name=signature.by_name,
    )


def _choices(name: str) -> str:
    nearest = difflib.get_close_matches(name, MODELS, n=1)
    guess = f"did you mean {nearest[0]!r}? " if nearest else ""
    return f"{guess}built in are {', '.join(MODELS)}; your own is named package.module:name"


def _has_call(cls: type) -> bool:
    return any("__call__" in vars(base) for base in cls.__mro__)


def _what(found: Any) -> str:
    if isinstance(found, type):
        return "a class without __call__"
    return f"of type {type(found).__name__}, which cannot be called"
