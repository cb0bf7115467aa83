"""What the postprocess hooks of a flow read: names, and a check of the model's metadata."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from flowrun.hooks.loader import Hook
from flowrun.hooks.suggestions import suggest
from flowrun.inference import OutputsProblem, TensorInfo

Outputs = Mapping[str, TensorInfo]


class HookOutputs:
    """The outputs that open postprocess hooks read; an `OutputReader`."""

    def __init__(self, hooks: Sequence[Hook]) -> None:
        self._hooks = tuple(hooks)

    @property
    def names(self) -> tuple[str, ...] | None:
        """The outputs that the hooks read; `None` if not all of them declare it."""
        read: dict[str, None] = {}
        for hook in self._hooks:
            if hook.reads_outputs is None:
                return None
            read.update(dict.fromkeys(hook.reads_outputs))
        return tuple(read)

    def problems(self, outputs: Outputs) -> Iterator[OutputsProblem]:
        """Yield a problem for each hook that cannot read `outputs`, which the model declares.

        Calls user code. Raises `HookError` if that raises anything but a `ValueError`.
        """
        for hook in self._hooks:
            if hook.check_outputs is None:
                continue
            message = hook.calls.call(
                hook.key, hook.path, "in its check_outputs", _refusal, hook.check_outputs, outputs
            )
            if message is not None:
                yield OutputsProblem(hook.key, hook.name, message, suggest(outputs))


def _refusal(check: Callable[[Outputs], Any], outputs: Outputs) -> str | None:
    """The text of the error that `check` raises for `outputs`; `None` if it raises none."""
    try:
        check(outputs)
    except ValueError as error:
        return str(error) or "its check_outputs refuses them"
    return None
