"""The option `classes` of hooks that use detections."""

from __future__ import annotations

from flowrun.detection import Detection
from flowrun.hooks.support import options
from flowrun.hooks.support.labels import Classes

_EXPECTED = "a class id, a label or a list of them"


class Kinds:
    """The detections of some classes, by id or label; `None`: all. Raises `InvalidFlowError` for
    the option `name`."""

    def __init__(self, name: str, classes: Classes | None) -> None:
        if classes is None:
            self._classes: frozenset[int | str] | None = None
            return
        if not isinstance(classes, (int, str, list, tuple)):
            options.reject(name, classes, _EXPECTED)
        listed = [classes] if isinstance(classes, (int, str)) else [*classes]
        if not listed or not all(type(each) in (int, str) for each in listed):
            options.reject(name, classes, _EXPECTED)
        self._classes = frozenset(listed)

    def __contains__(self, found: Detection) -> bool:
        if self._classes is None:
            return True
        return found.class_id in self._classes or found.label in self._classes
