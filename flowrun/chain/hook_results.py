"""Check what a hook returned: an object of the user's code, which may be and do anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from flowrun.chain.tensors import MAX_BYTES, is_picture
from flowrun.errors import HookError
from flowrun.foreign import exception_text, is_ctrl_c, one_line, text_of, type_name
from flowrun.frame import Frame, Picture
from flowrun.hooks.loader import Hook
from flowrun.inference import Tensor
from flowrun.kserve.wire.tensors import has_datatype
from flowrun.view import View

Tensors = Mapping[str, Tensor]  # by input name; an empty one stands for the only input


def checked(hook: Hook, made: Any, before: Frame, *, last: bool) -> Frame | Tensors | None:
    """What a hook returned for `before`, if the next stage can use it: a `Frame` with a valid
    picture, `None`, or (last preprocess hook) tensors. Raises `HookError` otherwise."""
    try:
        return _usable(hook, made, before, last=last)
    except HookError:
        raise
    except BaseException as error:  # an object may answer anything
        if is_ctrl_c(error):
            raise
        what = f"{type_name(made)}, which raised {exception_text(error)},"
        raise _returned(hook, what, before) from error


def _usable(hook: Hook, made: Any, before: Frame, *, last: bool) -> Frame | Tensors | None:
    if made is None:
        return None
    frame = made if isinstance(made, Frame) else before.with_image(made)
    image = frame.content
    if isinstance(image, Picture) or is_picture(image):
        data = frame.data if frame.data is before.data else _attached(hook, frame.data, before)
        if not isinstance(frame.view, View | None):
            raise _returned(hook, f"a Frame whose view is {type_name(frame.view)}", before)
        if type(image) is not np.ndarray and not isinstance(image, Picture):
            image = np.asarray(image)  # of a subclass, whose methods may do anything
        after = before.changed(image, data, frame.view)
        return _with_view(after, before) if _is_preprocess(hook) else after
    if _is_preprocess(hook) and last:
        if isinstance(made, Mapping):
            return _tensors(hook, made, before)
        if isinstance(made, np.ndarray | np.generic):
            return _tensors(hook, {"": made}, before)
    raise _returned(hook, _described(image), before)


def _attached(hook: Hook, data: Any, before: Frame) -> Mapping[str, Any]:
    """`data`, if it is a mapping with strings as keys. Raises `HookError` otherwise."""
    if not isinstance(data, Mapping):
        raise _returned(hook, f"a Frame whose data is {type_name(data)}", before)
    for name in data:
        if not isinstance(name, str):
            raise _returned(hook, f"a Frame with data under the key {_shown(name)}", before)
    return data if type(data) is dict else dict(data)


def _tensors(hook: Hook, made: Mapping[Any, Any], before: Frame) -> Tensors:
    """The tensors of `made` as arrays of the class `ndarray`. Raises `HookError` for others."""
    tensors = {}
    for name, tensor in made.items():
        if not isinstance(name, str):
            raise _returned(hook, f"a mapping with the key {_shown(name)}", before)
        fault = _fault(tensor)
        if fault:
            what = f"{fault} as the tensor {one_line(name, 60)!r}" if name else fault
            raise _returned(hook, what, before)
        tensors[name] = np.asarray(tensor)
    return tensors


def _fault(tensor: Any) -> str:
    """What prevents `tensor` from being sent to a model; empty if nothing does."""
    if not isinstance(tensor, np.ndarray | np.generic):
        return type_name(tensor)
    if tensor.nbytes > MAX_BYTES:
        return f"{tensor.nbytes / 2**30:.0f} GiB"
    if not has_datatype(tensor.dtype):
        return f"an array of {tensor.dtype}, which the protocol does not support,"
    if tensor.dtype.kind in "OU":
        for element in np.asarray(tensor).reshape(-1).tolist():
            if not isinstance(element, bytes | str):
                return f"an array of {type_name(element)}"
            if isinstance(element, str):
                element.encode()
    return ""


def _described(image: Any) -> str:
    if isinstance(image, np.ndarray):
        return f"{image.dtype} of shape {tuple(image.shape)}"
    return type_name(image)


def _shown(key: object) -> str:
    return f"{one_line(text_of(key), 60)} ({type_name(key)})"


def _returned(hook: Hook, what: str, before: Frame) -> HookError:
    at = f" ({hook.place})" if hook.place else ""
    return HookError(
        f"{hook.path} returned {what} at frame {before.index}{at}",
        key=hook.key,
        hint="return a Frame, a uint8 array of shape (height, width, 3), or None to drop the frame"
        + ("; tensors only from the last hook" if _is_preprocess(hook) else ""),
    )


def _is_preprocess(hook: Hook) -> bool:
    return hook.key.startswith("preprocess")


def _with_view(after: Frame, before: Frame) -> Frame:
    """`after` with its view: a hook that returns another size without a view has resized the
    picture."""
    size = (after.width, after.height)
    if after.view is not before.view or size == (before.width, before.height):
        return after
    return after.changed(after.content, after.data, before.seen.resized(*size))
