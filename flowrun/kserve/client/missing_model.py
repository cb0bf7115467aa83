"""Explain why a server does not serve the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc

from flowrun.errors import ContractError, ModelNotReadyError, TransportError
from flowrun.kserve.client.metadata_calls import MetadataCalls
from flowrun.kserve.contract.suggestions import unknown_name
from flowrun.spec.flow import TransportSpec


def why_missing(calls: MetadataCalls, error: grpc.RpcError) -> ContractError | TransportError:
    """The error for a call about the model that ended with `error`.

    Asks for the list of models and for other versions, as far as the server implements the calls.
    """
    code = error.code()
    if code in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAUTHENTICATED):
        return calls.failed(error)
    spec = calls.connection.spec
    index = _index(calls)
    states = [model for model in index if model.name == spec.model]
    if spec.version and (not index or states):
        try:
            metadata = calls.ask("ModelMetadata", name=spec.model)
        except grpc.RpcError:
            metadata = None
        if metadata is not None:
            return wrong_version(spec, metadata.versions)
    if states:
        return _not_ready(calls, states)
    if index:
        names = sorted({model.name for model in index})
        return unknown_name("the server has no model", spec.model, names, "transport.model")
    if code in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL):
        details = calls.connection.grpc_errors.quoted(error.details() or "")
        return ContractError(
            f"the server has no model {spec.model!r}"
            + (f" (it reports: {details})" if details else ""),
            key="transport.model",
        )
    return calls.failed(error)


def not_ready(calls: MetadataCalls) -> ModelNotReadyError:
    """The error for a model that is not ready, with the server's reason if it has one."""
    name = calls.connection.spec.model
    return _not_ready(calls, [model for model in _index(calls) if model.name == name])


def wrong_version(spec: TransportSpec, versions: Sequence[str]) -> ContractError:
    """The error for a model that has other `versions` only."""
    return unknown_name(
        f"model {spec.model!r} has no version",
        str(spec.version),
        list(versions),
        "transport.version",
    )


def _not_ready(calls: MetadataCalls, states: Sequence[Any]) -> ModelNotReadyError:
    quoted = calls.connection.grpc_errors.quoted
    why = "; ".join(quoted(each.reason) for each in states if each.reason)
    return ModelNotReadyError(
        f"model {calls.connection.spec.model!r} is not ready"
        + (f" (the server reports: {why})" if why else ""),
        key="transport.model",
        hint="wait until it is loaded, or see the server's log",
    )


def _index(calls: MetadataCalls) -> list[Any]:
    """The models of the server; empty if it does not list them."""
    try:
        response = calls.ask("RepositoryIndex")
    except grpc.RpcError:  # the error that this was to explain is raised anyway
        return []
    return list(response.models) if response is not None else []
