"""Models that run in worker processes, with another Python."""

from __future__ import annotations

import threading

from flowrun.kserve.server.models.isolated import worker as script
from flowrun.kserve.server.models.model import Model, ModelError
from flowrun.kserve.server.models.signature import read_signature
from flowrun.kserve.server.models.worker_process import Worker

WORKERS = 8  # processes for one model at once; more streams are refused


def worker_model(name: str, target: str, python: str) -> Model:
    """The model at `target` (see isolated/worker.py), called `name`, in processes of `python`.

    Starts the first worker to read the model's signature; the first stream or unary call then uses
    it. Every stream has a worker of its own, all unary calls share one, and there are at most
    `WORKERS`. Raises `ModelError` if the model cannot be loaded, `OSError` if `python` cannot be
    run.
    """
    pool = _Pool(name, [python, script.__file__, target])
    first = pool.start()
    try:
        signature = read_signature(name, first.declared)
    except BaseException:
        pool.close()
        raise
    pool.unused = first
    return Model(
        name,
        pool.take,
        signature.inputs,
        signature.outputs,
        by_name=True,
        close=pool.close,
    )


class _Pool:
    """The workers of one model."""

    def __init__(self, name: str, command: list[str]) -> None:
        self._name = name
        self._command = command
        self._lock = threading.Lock()
        self._workers: set[Worker] = set()
        self._closed = False
        self.unused: Worker | None = None

    def take(self) -> Worker:
        """A worker that has had no request yet. Raises `ModelError`."""
        with self._lock:
            unused, self.unused = self.unused, None
        if unused is not None and not unused.alive:
            unused.close()
            unused = None
        return unused or self.start()

    def start(self) -> Worker:
        """Start another worker, and wait until it has loaded the model. Raises `ModelError`."""
        with self._lock:
            if self._closed:
                raise ModelError("is no longer served")
            if len(self._workers) >= WORKERS:
                raise ModelError(
                    f"has {WORKERS} workers already, for open streams and for unary calls; this is"
                    " the limit"
                )
            worker = Worker(self._name, self._command, self._forget)
            self._workers.add(worker)
        worker.load()
        return worker

    def close(self) -> None:
        """Kill all workers; the calls that they are running fail. No more are started."""
        with self._lock:
            self._closed = True
            workers = list(self._workers)
        for worker in workers:
            worker.kill()
        for worker in workers:
            worker.close()

    def _forget(self, worker: Worker) -> None:
        with self._lock:
            self._workers.discard(worker)
