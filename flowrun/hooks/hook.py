"""A user's callable in its place in the flow."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from flowrun.errors import HookError, InvalidFlowError
from flowrun.frame import Frame
from flowrun.spec.dotted_path import DottedPathError, raised_at, resolve
from flowrun.spec.flow import HookSpec, OnError


@dataclass(frozen=True, slots=True)
class Hook:
    """`call` takes a frame (and for postprocess a result); `close`, called once at the end, raises
    `HookError`."""

    key: str  # where it stands in the flow, e.g. `preprocess[0]`
    path: str
    on_error: OnError
    call: Callable[..., Any]
    close: Callable[[], None]

    def __call__(self, frame: Frame, *result: Any) -> Any:
        """What the user's callable returned. Raises `HookError` for whatever it raised."""
        try:
            return self.call(frame, *result)
        except (Exception, SystemExit) as error:
            raise _named(error, self.key, self.path, f"at frame {frame.index}") from error


def open_hooks(specs: Sequence[HookSpec], key: str) -> tuple[Hook, ...]:
    """The hooks of one list of the flow, classes constructed with their `with`.

    `key` is `preprocess` or `postprocess`. Imports user code. Raises `InvalidFlowError` for a path
    that leads nowhere, a signature that does not fit or an option of which a constructor says so
    (by an `InvalidFlowError` with the option's name as key), `HookError` for what it raises else;
    those that are open already are closed again.
    """
    hooks = []
    with ExitStack() as opened:
        for n, spec in enumerate(specs):
            hooks.append(_open(spec, f"{key}[{n}]"))
            opened.callback(hooks[-1].close)
        opened.pop_all()
    return tuple(hooks)


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
    instance = _guarded(key, spec.hook, "when it was constructed", partial(target, **with_))

    def close() -> None:
        _guarded(key, spec.hook, "when it was closed", getattr(instance, "close", lambda: None))

    return Hook(key, spec.hook, spec.on_error, instance, close)


def _guarded(key: str, path: str, when: str, call: Callable[..., Any], *arguments: Any) -> Any:
    """What `call` returned. Raises as `_named` says for whatever it raised."""
    try:
        return call(*arguments)
    except (Exception, SystemExit) as error:
        raise _named(error, key, path, when) from error


def _named(error: BaseException, key: str, path: str, when: str) -> HookError | InvalidFlowError:
    """What a user's callable raised, as the error of its place in the flow; a hook that was a
    script before may call `sys.exit`."""
    if isinstance(error, InvalidFlowError):  # of an option, whose name is its key
        place = f"{key}.with.{error.key}" if error.key else f"{key}.with"
        return InvalidFlowError(error.message, key=place, hint=error.hint)
    return HookError(f"{path} raised {_in_words(error)} {when}{_where(error)}", key=key)


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
    arguments = ("frame",) if key.startswith("preprocess") else ("frame", "result")
    if inspect.isclass(target):
        _check_signature(
            spec, key, target, arguments=(), with_=dict(spec.with_), what="the constructor of "
        )
        # Not getattr: every class can be called itself, and has a `__call__` of its metaclass.
        call = next((vars(c)["__call__"] for c in target.__mro__ if "__call__" in vars(c)), None)
        if not callable(call):
            raise InvalidFlowError(
                f"{spec.hook} is a class whose objects cannot be called",
                key=f"{key}.hook",
                hint="give it a __call__ method",
            )
        _check_signature(
            spec, key, call, arguments=("self", *arguments), with_={}, what="__call__ of "
        )
    else:
        _check_signature(spec, key, target, arguments=arguments, with_=dict(spec.with_))
    result: Callable[..., Any] = target
    return result


def _check_signature(
    spec: HookSpec,
    key: str,
    target: Callable[..., Any],
    *,
    arguments: Sequence[str],
    with_: dict[str, Any],
    what: str = "",
) -> None:
    try:
        signature = inspect.signature(target)
    except (TypeError, ValueError):
        return  # a builtin without a signature: the call itself will tell
    try:
        signature.bind(*arguments, **with_)
    except TypeError as error:
        given = ", ".join([*arguments, *(f"{name}=…" for name in with_)])
        raise InvalidFlowError(
            f"{what}{spec.hook}{signature} does not take ({given}): {error}",
            key=f"{key}.with" if with_ else f"{key}.hook",
        ) from error


def _in_words(error: BaseException) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _where(error: BaseException) -> str:
    """` (file:line)` of the user's own code; nothing for a callable that was written in C."""
    place = raised_at(error, __file__)
    return f" ({place})" if place else ""
