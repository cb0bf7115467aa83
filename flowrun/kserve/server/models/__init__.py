"""What the embedded server can serve: the built-in models, or a callable of the user's."""

from flowrun.kserve.server.models.model import Answer, Infer, Model, ModelError
from flowrun.kserve.server.models.registry import MODELS, named, resolve_elsewhere, resolve_model

__all__ = [
    "MODELS",
    "Answer",
    "Infer",
    "Model",
    "ModelError",
    "named",
    "resolve_elsewhere",
    "resolve_model",
]
