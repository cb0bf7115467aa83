"""Check that a hook can be called with its arguments and the options of the flow."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flowrun.errors import InvalidFlowError
from flowrun.spec.flow import HookSpec
from flowrun.spec.hints import closest_match


def check_signature(
    spec: HookSpec,
    key: str,
    target: Callable[..., Any],
    *,
    arguments: Sequence[str],
    with_: dict[str, Any],
    what: str = "",
) -> None:
    """Raise `InvalidFlowError` if `target`, of the hook `spec` at `key` of the flow, cannot be
    called with `arguments` and the options `with_`. `what` comes before its name in messages."""
    try:
        signature = inspect.signature(target)
    except (TypeError, ValueError):
        return  # a builtin without a signature: errors show when it is called
    if with_:
        _check_options(spec, key, signature.parameters, given=len(arguments))
    try:
        signature.bind(*arguments, **with_)
    except TypeError as error:
        parameters = [*signature.parameters.values()]
        if missing := _missing_options(parameters[len(arguments) :], with_):
            several = "options" if missing[1:] else "the option"
            raise InvalidFlowError(
                f"{spec.name} needs {several} {', '.join(missing)}",
                key=f"{key}.with" if with_ else f"{key}.hook",
                hint="options are written under `with`",
            ) from error
        plain = [each.replace(annotation=each.empty) for each in parameters]
        signature = signature.replace(parameters=plain, return_annotation=signature.empty)
        given = ", ".join([*arguments, *(f"{name}=…" for name in with_)])
        raise InvalidFlowError(
            f"{what}{spec.name}{signature} cannot be called with ({given}): {error}",
            key=f"{key}.with" if with_ else f"{key}.hook",
            hint=_other_stage(signature, arguments, with_),
        ) from error


def _missing_options(
    parameters: Sequence[inspect.Parameter], with_: Mapping[str, Any]
) -> list[str]:
    """The options without a default that `with_` does not have."""
    return [
        f"`{each.name}`"
        for each in parameters
        if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)
        and each.default is each.empty
        and each.name not in (*with_, "result")
    ]


def _other_stage(
    signature: inspect.Signature, arguments: Sequence[str], with_: Mapping[str, Any]
) -> str | None:
    """The hint for a hook that could be called in the other list of the flow."""
    if not arguments:  # of a constructor
        return None
    after = arguments[-1] == "result"
    others = arguments[:-1] if after else (*arguments, "result")
    try:
        signature.bind(*others, **with_)
    except TypeError:
        return None
    stage = "preprocess" if after else "postprocess"
    return f"it is a {stage} hook: move it to `{stage}`"


def _check_options(
    spec: HookSpec, key: str, parameters: Mapping[str, inspect.Parameter], *, given: int
) -> None:
    """Raise `InvalidFlowError` for an option that is no parameter. The first `given` parameters
    are no options."""
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values()):
        return
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    options = tuple(each.name for each in [*parameters.values()][given:] if each.kind in named)
    for name in spec.with_:
        if name not in parameters:
            near = closest_match(name, options)
            known = ", ".join(f"`{option}`" for option in options) or "none"
            raise InvalidFlowError(
                f"{spec.name} has no option `{name}`",
                key=f"{key}.with.{name}",
                hint=f"did you mean `{near}`?" if near else f"its options: {known}",
            )
