"""A user's callable in its place in the flow."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flowrun.dotted import DottedPathError, raised_at, resolve
from flowrun.errors import HookError, InvalidFlowError
from flowrun.frame import Frame
from flowrun.spec.flow import HookSpec, OnError


@dataclass(frozen=True, slots=True)
class Hook:
    """`call` takes a frame (and for postprocess a result); `close` is called once at the end."""

    key: str  # where it stands in the flow, e.g. `preprocess[0]`
    path: str
    on_error: OnError
    call: Callable[..., Any]
    close: Callable[[], None]

    def __call__(self, frame: Frame, *result: Any) -> Any:
        """What the user's callable returned. Raises `HookError` for whatever it raised."""
        try:
            return self.call(frame, *result)
        except Exception as error:
            raise HookError(
                f"{self.path} raised {_in_words(error)} at frame {frame.index}{_where(error)}",
                key=self.key,
            ) from error


def open_hooks(specs: Sequence[HookSpec], key: str) -> tuple[Hook, ...]:
    """The hooks of one list of the flow, classes constructed with their `with`.

    `key` is `preprocess` or `postprocess`. Imports user code. Raises `InvalidFlowError` for a path
    that leads nowhere or a signature that does not fit, `HookError` if a constructor raises.
    """
    return tuple(_open(spec, f"{key}[{n}]") for n, spec in enumerate(specs))


def check_hooks(specs: Sequence[HookSpec], key: str) -> list[InvalidFlowError]:
    """What is wrong with the hooks of one list; nothing is called.

    Imports user code.
    """
    found = []
    for n, spec in enumerate(specs):
        try:
            _resolve(spec, f"{key}[{n}]")
        except InvalidFlowError as error:
            found.append(error)
    return found


def _open(spec: HookSpec, key: str) -> Hook:
    target = _resolve(spec, key)
    with_ = dict(spec.with_)
    if not inspect.isclass(target):

        def call(*arguments: Any) -> Any:
            return target(*arguments, **with_)

        return Hook(key, spec.hook, spec.on_error, call, lambda: None)
    try:
        instance: Any = target(**with_)
    except Exception as error:
        raise HookError(
            f"{spec.hook} raised {_in_words(error)} when it was constructed{_where(error)}",
            key=key,
        ) from error
    return Hook(key, spec.hook, spec.on_error, instance, getattr(instance, "close", lambda: None))


def _resolve(spec: HookSpec, key: str) -> Callable[..., Any]:
    """The callable or class that `spec` names, its signature checked."""
    try:
        target = resolve(spec.hook)
    except DottedPathError as error:
        raise InvalidFlowError(error.message, key=f"{key}.hook", hint=error.hint) from error
    if not callable(target):
        raise InvalidFlowError(
            f"{spec.hook} is {type(target).__name__}, not a callable or a class", key=f"{key}.hook"
        )
    positional = 1 if key.startswith("preprocess") else 2
    if inspect.isclass(target):
        _check_signature(
            spec, key, target, positional=0, with_=dict(spec.with_), what="the constructor of "
        )
        # Not getattr: every class can be called itself, and has a `__call__` of its metaclass.
        call = next((vars(c)["__call__"] for c in target.__mro__ if "__call__" in vars(c)), None)
        if not callable(call):
            raise InvalidFlowError(
                f"{spec.hook} is a class whose objects cannot be called",
                key=f"{key}.hook",
                hint="give it a __call__ method",
            )
        _check_signature(spec, key, call, positional=positional + 1, with_={}, what="__call__ of ")
    else:
        _check_signature(spec, key, target, positional=positional, with_=dict(spec.with_))
    result: Callable[..., Any] = target
    return result


def _check_signature(
    spec: HookSpec,
    key: str,
    target: Callable[..., Any],
    *,
    positional: int,
    with_: dict[str, Any],
    what: str = "",
) -> None:
    try:
        signature = inspect.signature(target)
    except (TypeError, ValueError):
        return  # a builtin without a signature: the call itself will tell
    try:
        signature.bind(*[None] * positional, **with_)
    except TypeError as error:
        wanted = ["frame", "result"][: 1 if key.startswith("preprocess") else 2]
        given = ", ".join([*wanted, *(f"{name}=…" for name in spec.with_)])
        raise InvalidFlowError(
            f"{what}{spec.hook}{signature} does not take ({given}): {error}",
            key=f"{key}.with" if with_ else f"{key}.hook",
        ) from error


def _in_words(error: Exception) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _where(error: Exception) -> str:
    """` (file:line)` of the user's own code; flowrun's call above it is not."""
    place = raised_at(error)
    return f" ({place})" if place else ""
