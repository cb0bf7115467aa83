"""What the embedded server can serve: the built-in models, or a callable of the user's."""

from flowrun.kserve.models.model import Answer, Infer, Model, ModelError, TensorInfo
from flowrun.kserve.models.registry import MODELS, named, resolve_elsewhere, resolve_model

__all__ = [
    "MODELS",
    "Answer",
    "Infer",
    "Model",
    "ModelError",
    "TensorInfo",
    "named",
    "resolve_elsewhere",
    "resolve_model",
]
