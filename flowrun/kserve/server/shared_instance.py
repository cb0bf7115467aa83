"""The instance of a model that all its unary calls share."""

from __future__ import annotations

import threading

from flowrun.kserve.server.invocation import RefusedError, construct, dispose, shutting_down
from flowrun.kserve.server.models import Infer, Model


class SharedInstance:
    """Constructed by the first call. A context manager, entered by one thread at a time, and by
    none after the server has `closed`; then it raises `RefusedError`."""

    def __init__(self, model: Model, closed: threading.Event) -> None:
        self._model = model
        self._closed = closed
        self._lock = threading.Lock()
        self._infer: Infer | None = None

    def __enter__(self) -> Infer:
        self._lock.acquire()
        try:
            self._infer = self._instance()
        except BaseException:
            self._lock.release()
            raise
        return self._infer

    def __exit__(self, _kind: object, raised: object, _trace: object) -> None:
        if isinstance(raised, RefusedError) and raised.unusable:
            self._infer = None
        self._lock.release()

    def close(self) -> None:
        """Close the instance, unless it is in use."""
        if self._infer is not None and self._lock.acquire(blocking=False):
            dispose(self._model, self._infer)
            self._infer = None
            self._lock.release()

    def _instance(self) -> Infer:
        if self._closed.is_set():
            raise shutting_down()
        return self._infer or construct(self._model)
