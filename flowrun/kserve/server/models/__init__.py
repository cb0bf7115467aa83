"""The models of the embedded server: built-in models, model files and user callables."""

from flowrun.kserve.server.models.model import Infer, Model, ModelError
from flowrun.kserve.server.models.registry import (
    MODELS,
    parse_name,
    resolve_isolated,
    resolve_model,
)

__all__ = [
    "MODELS",
    "Infer",
    "Model",
    "ModelError",
    "parse_name",
    "resolve_isolated",
    "resolve_model",
]
