"""Call the hooks of a stage: time them, check what they return, and apply their `on_error`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from flowrun.chain.tensors import is_picture
from flowrun.chain.throttled_warnings import ThrottledWarnings
from flowrun.errors import HookError
from flowrun.frame import Frame, Picture
from flowrun.hooks.loader import Hook
from flowrun.inference import Result, Tensor
from flowrun.ledger.ledger import Ledger

Tensors = Mapping[str, Tensor]  # by input name; an empty one stands for the only input


class HookCalls:
    """The hooks of one stage, called one after the other on one thread."""

    def __init__(
        self,
        stage: Literal["preprocess", "postprocess"],
        hooks: Sequence[Hook],
        ledger: Ledger,
        warnings: ThrottledWarnings,
    ) -> None:
        self._stage = stage
        # Each with the function that records its time.
        self._hooks = [(hook, ledger.latencies.hook(hook.key, hook.path).add) for hook in hooks]
        self._ledger = ledger
        self._clock = ledger.clock
        self._warnings = warnings

    def run(self, frame: Frame, *result: Result) -> tuple[Frame, Tensors | None] | None:
        """`frame` after all hooks, and the tensors that the last preprocess hook returned; `None`
        if it was dropped or has failed. Raises `HookError` for a hook with `on_error: fail`."""
        for hook, record in self._hooks:
            began = self._clock()
            try:
                try:
                    made = hook(frame, *result)
                finally:
                    record(self._clock() - began)
                if made is not frame:  # the same frame needs no check
                    made = _checked(hook, made, frame, last=hook is self._hooks[-1][0])
            except HookError as error:
                if hook.on_error == "passthrough":
                    self._warnings.warn(error)
                    continue
                self._ledger.failed(frame, self._stage, error)
                if hook.on_error == "fail":
                    raise
                self._warnings.warn(error)
                return None
            if made is None:
                self._ledger.dropped(frame, "hook", f"{hook.key}: {hook.path} returned None")
                return None
            if not isinstance(made, Frame):
                return frame, made
            frame = made
        return frame, None


def _checked(hook: Hook, made: Any, before: Frame, *, last: bool) -> Frame | Tensors | None:
    """What a hook returned for `before`, if the next stage can use it: a `Frame` with a valid
    picture, `None`, or (last preprocess hook) tensors. Raises `HookError` otherwise."""
    if made is None:
        return None
    frame = made if isinstance(made, Frame) else before.with_image(made)
    image = frame.content
    if isinstance(image, Picture) or is_picture(image):
        after = before.changed(image, frame.data, frame.view)
        return _with_view(after, before) if _is_preprocess(hook) else after
    if _is_preprocess(hook) and last:
        if isinstance(made, Mapping):
            return made
        if hasattr(made, "dtype"):
            return {"": made}
    what = type(made).__name__
    if hasattr(image, "shape"):
        what = f"{image.dtype} of shape {tuple(image.shape)}"
    raise HookError(
        f"{hook.path} returned {what} at frame {before.index}",
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
