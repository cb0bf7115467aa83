"""Call the hooks of a stage: time them, check what they return, and apply their `on_error`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from flowrun.chain.hook_results import Tensors, checked
from flowrun.chain.throttled_warnings import ThrottledWarnings
from flowrun.errors import HookError
from flowrun.frame import Frame
from flowrun.hooks.loader import Hook
from flowrun.inference import Result
from flowrun.ledger.ledger import Ledger


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
                    made = checked(hook, made, frame, last=hook is self._hooks[-1][0])
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
