"""Packages that some models need and flowrun does not install."""

from __future__ import annotations

import importlib.util

from flowrun.errors import InvalidFlowError


def require(package: str, distribution: str, model: str) -> None:
    """Raise `InvalidFlowError` with the key `transport.model` unless `package`, which the
    `distribution` installs, can be imported."""
    if importlib.util.find_spec(package) is None:
        raise InvalidFlowError(
            f"model {model!r} needs the package {package}, which is not installed",
            key="transport.model",
            hint=f"pip install {distribution}",
        )
