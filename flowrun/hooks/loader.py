"""Load the hooks of a flow: import, check the signature, construct, call and close them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from flowrun.errors import FlowrunError, InvalidFlowError
from flowrun.foreign import exception_text, is_ctrl_c, type_name
from flowrun.frame import Frame
from flowrun.hooks.combinations import order_errors
from flowrun.hooks.guard import CallsInProgress, note_definition
from flowrun.hooks.signature import check_signature
from flowrun.inference import TensorInfo
from flowrun.spec.dotted_path import DottedPathError, defined_at, resolve
from flowrun.spec.flow import HookSpec, OnError

_OF_FILES = ("labels", "classes", "characters")  # options that name files, or labels in them


@dataclass(frozen=True, slots=True)
class Hook:
    """A hook that is open. `call` takes a frame (and for postprocess a result); `close`, called
    once at the end, raises `HookError`. `place` is `file:line` of its definition, or empty.
    `reads_outputs` are the outputs of the model that the hook reads, `check_outputs` raises
    `ValueError` for outputs that it cannot read; `None` if it does not declare them."""

    key: str  # of the flow, such as `preprocess[0]`
    path: str
    on_error: OnError
    call: Callable[..., Any]
    close: Callable[[], None]
    place: str = ""
    calls: CallsInProgress = field(default_factory=CallsInProgress, repr=False)
    reads_outputs: tuple[str, ...] | None = None
    check_outputs: Callable[[Mapping[str, TensorInfo]], Any] | None = None

    @property
    def name(self) -> str:
        """Its name as a flow has it: bare if flowrun brings the hook."""
        return HookSpec(self.path).name

    def __call__(self, frame: Frame, *result: Any) -> Any:
        """Call the user's callable. Whatever it raises becomes a `HookError`."""
        return self.calls.call(self.key, self.path, frame.index, self.call, frame, *result)


def open_hooks(
    specs: Sequence[HookSpec], key: str, calls: CallsInProgress | None = None
) -> tuple[Hook, ...]:
    """Import the hooks of one list of the flow and construct the classes with their `with`.

    `key` is `preprocess` or `postprocess`. Imports user code, whose calls `calls` knows. Raises
    `InvalidFlowError` for a path that names nothing, a signature that does not fit or an option
    that a constructor rejects (by an `InvalidFlowError` with the option's name as key), and
    `HookError` for anything else that a constructor raises. On an error, hooks opened before are
    closed.
    """
    hooks: list[Hook] = []
    for error in order_errors(specs, key):
        raise error
    with ExitStack() as opened:
        for n, spec in enumerate(specs):
            hooks.append(_open(spec, f"{key}[{n}]", calls or CallsInProgress()))
            opened.callback(hooks[-1].close)
        opened.pop_all()
    return tuple(hooks)


def open_checking(specs: Sequence[HookSpec], key: str) -> tuple[Hook, ...]:
    """Those of `open_hooks` that declare `check_outputs`; no other class is constructed, and hooks
    that cannot be opened are omitted."""
    hooks = []
    for n, spec in enumerate(specs):
        try:
            if hasattr(_resolve(spec, f"{key}[{n}]"), "check_outputs"):
                hooks.append(_open(spec, f"{key}[{n}]", CallsInProgress()))
        except FlowrunError:
            continue  # `check_hooks` and a run report it
    return tuple(hooks)


def check_hooks(
    specs: Sequence[HookSpec], key: str, *, library_only: bool = False
) -> list[InvalidFlowError]:
    """Find the errors in the hooks of one list without calling them. Those that flowrun brings are
    constructed, without their label files; of the others the code is imported, unless
    `library_only`."""
    found = order_errors(specs, key)
    for n, spec in enumerate(specs):
        if library_only and not spec.is_brought:
            continue
        try:
            _resolve(spec, f"{key}[{n}]")
            if spec.is_brought:
                with_ = {k: v for k, v in spec.with_.items() if k not in _OF_FILES}
                _open(replace(spec, with_=with_), f"{key}[{n}]", CallsInProgress()).close()
        except InvalidFlowError as error:
            found.append(error)
    return found


def _open(spec: HookSpec, key: str, calls: CallsInProgress) -> Hook:
    with calls.entered(key, spec.hook, "in its import"):
        target = _resolve(spec, key)
    with_ = dict(spec.with_)
    place = defined_at(target)
    note_definition(place, f"{key}: {spec.hook}")
    if not inspect.isclass(target):
        call = partial(target, **with_)
        declared = _declared(spec, key, target, calls)
        return Hook(key, spec.hook, spec.on_error, call, lambda: None, place, calls, *declared)
    instance = calls.call(key, spec.hook, "in its constructor", partial(target, **with_))
    close = partial(calls.call, key, spec.hook, "in its close()", _close, instance)
    try:
        declared = _declared(spec, key, instance, calls)
    except BaseException:
        close()
        raise
    return Hook(key, spec.hook, spec.on_error, instance, close, place, calls, *declared)


def _declared(
    spec: HookSpec, key: str, hook: object, calls: CallsInProgress
) -> tuple[tuple[str, ...] | None, Callable[..., Any] | None]:
    """The attributes `reads_outputs` and `check_outputs` of a hook."""

    def attribute(name: str) -> Any:
        return calls.call(key, spec.hook, f"in its {name}", getattr, hook, name, None)

    names, check = attribute("reads_outputs"), attribute("check_outputs")
    if names is not None and not isinstance(names, (tuple, list)):
        raise InvalidFlowError(
            f"reads_outputs of {spec.hook} is {type_name(names)}, expected a tuple of the names of"
            " the outputs that it reads",
            key=f"{key}.hook",
            hint='such as `reads_outputs = ("boxes", "scores")`',
        )
    if check is not None and not callable(check):
        raise InvalidFlowError(
            f"check_outputs of {spec.hook} is {type_name(check)}, expected a method or a function",
            key=f"{key}.hook",
            hint="it gets the declared outputs of the model by name, and raises a ValueError",
        )
    if names is not None:
        names = tuple(name for name in names if isinstance(name, str))  # no model has others
    return names, check


def _close(instance: Any) -> None:
    getattr(instance, "close", lambda: None)()


def _resolve(spec: HookSpec, key: str) -> Callable[..., Any]:
    """Import the callable or class that `spec` names and check its signature."""
    try:
        target = resolve(spec.hook, spec.folders)
    except DottedPathError as error:
        raise InvalidFlowError(error.message, key=f"{key}.hook", hint=error.hint) from error
    try:
        return _checked(spec, key, target)
    except InvalidFlowError:
        raise
    except BaseException as error:  # an object may answer anything
        if is_ctrl_c(error):
            raise
        raise InvalidFlowError(
            f"{spec.hook} cannot be inspected: {exception_text(error)}", key=f"{key}.hook"
        ) from error


def _checked(spec: HookSpec, key: str, target: Any) -> Callable[..., Any]:
    """`target`, if it can be called as the hook that `spec` names."""
    if not callable(target):
        raise InvalidFlowError(
            f"{spec.hook} is {type_name(target)}, expected a callable or a class",
            key=f"{key}.hook",
        )
    arguments = ("frame",) if key.startswith("preprocess") else ("frame", "result")
    if inspect.isclass(target):
        check_signature(
            spec, key, target, arguments=(), with_=dict(spec.with_), what="the constructor of "
        )
        # Not getattr: it would find the metaclass's `__call__`, which every class has.
        call = next((vars(c)["__call__"] for c in target.__mro__ if "__call__" in vars(c)), None)
        if not callable(call):
            raise InvalidFlowError(
                f"{spec.hook} is a class whose instances cannot be called",
                key=f"{key}.hook",
                hint="add a `__call__` method",
            )
        check_signature(
            spec, key, call, arguments=("self", *arguments), with_={}, what="__call__ of "
        )
    else:
        check_signature(spec, key, target, arguments=arguments, with_=dict(spec.with_))
    result: Callable[..., Any] = target
    return result
