"""Models in processes of their own, with another Python."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, cast

from flowrun.inference import Tensor
from flowrun.kserve.server.models.isolated import worker as script
from flowrun.kserve.server.models.model import Answer, Model, ModelError
from flowrun.kserve.server.models.signature import read_signature

WORKERS = 8  # processes for one model at once; more streams are refused
START = 60.0  # seconds until a worker must have loaded its model
ANSWER = 60.0  # seconds until it must have answered a request
LAST_WORDS = 2.0  # seconds until what it said must be read; somebody else may hold its pipe
_WORDS = 3  # lines of what it said last that are worth repeating
_LONGEST = 300  # and characters

_log = logging.getLogger("flowrun")


def worker_model(name: str, target: str, python: str) -> Model:
    """The model at `target` (see alone/worker.py), called `name`, in processes of `python`.

    Starts the first one, to learn what the model declares; it serves whoever comes first. Every
    stream has one to itself, all unary calls share one, and there are at most `WORKERS`. Raises
    `ModelError` if the model cannot be loaded, `OSError` if `python` cannot be run.
    """
    pool = _Pool(name, [python, script.__file__, target])
    first = pool.start()
    try:
        signature = read_signature(name, first.declared)
    except BaseException:
        pool.close()
        raise
    pool.releasable = first
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
        self.releasable: Worker | None = None

    def take(self) -> Worker:
        """One that has not been asked yet. Raises `ModelError`."""
        with self._lock:
            releasable, self.releasable = self.releasable, None
        if releasable is not None and not releasable.alive:
            releasable.close()
            releasable = None
        return releasable or self.start()

    def start(self) -> Worker:
        """Another one, when it has loaded the model. Raises `ModelError`."""
        with self._lock:
            if self._closed:
                raise ModelError("is not served any more")
            if len(self._workers) >= WORKERS:
                raise ModelError(
                    f"has {WORKERS} workers already, for open streams and for unary calls; no more"
                    " are started"
                )
            worker = Worker(self._name, self._command, self._forget)
            self._workers.add(worker)
        worker.load()
        return worker

    def close(self) -> None:
        """End them all now, and what they are at with an error."""
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


class Worker:
    """One process with one instance of the model; called by one thread at a time.

    What it prints and what Python says of it goes into the log, from a thread of its own. A worker
    that ends, or does not answer in time and is ended, fails that call and is gone.
    """

    def __init__(self, name: str, command: list[str], on_closed: Callable[[Worker], None]) -> None:
        self.declared: dict[str, Any] = {}
        self._name = name
        self._on_closed = on_closed
        self._late = False
        self._said: deque[str] = deque(maxlen=_WORDS)
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # a group of its own, with whatever the model starts
        )
        self._listener = threading.Thread(
            target=self._listen, name=f"flowrun-worker-{name}", daemon=True
        )
        self._listener.start()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def load(self) -> None:
        """Wait, at most `START`, until the model is loaded; what it declares is in `declared`."""
        header, _ = self._within(START, "load", lambda: script.receive(self._output))
        self.declared = header["declared"]

    def __call__(self, given: Mapping[str, Tensor]) -> Answer:
        """The model's answer. Waits at most `ANSWER`; raises `ModelError`."""

        def exchange() -> tuple[dict[str, Any], dict[str, Any]]:
            script.send(cast(BinaryIO, self._process.stdin), {}, given)
            return script.receive(self._output)

        header, tensors = self._within(ANSWER, "answer", exchange)
        if header.get("nothing"):
            return None
        return tensors

    def kill(self) -> None:
        """End the process; a call that waits for it fails. From any thread."""
        if not self.alive:
            return
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        else:
            self._process.kill()

    def close(self) -> None:
        """Let the model close, for a moment, and end the process. Idempotent; not while a call is
        open, unless the process was killed."""
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):  # what was to be written has no reader any more
                cast(BinaryIO, pipe).close()
        try:
            self._process.wait(2 * script.FAREWELL)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        self._listener.join(LAST_WORDS)
        self._on_closed(self)

    @property
    def _output(self) -> BinaryIO:
        return cast(BinaryIO, self._process.stdout)

    def _within(
        self,
        seconds: float,
        doing: str,
        exchange: Callable[[], tuple[dict[str, Any], dict[str, Any]]],
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        watch = threading.Timer(seconds, self._expire)
        watch.daemon = True
        watch.start()
        try:
            header, tensors = exchange()
        except (OSError, EOFError, ValueError) as error:  # ValueError: closed meanwhile
            self.kill()
            self.close()
            raise ModelError(self._fate(seconds, doing), gone=True) from error
        finally:
            watch.cancel()
        if "error" in header:
            gone = header.get("gone", False)
            if gone:
                self.close()
            raise ModelError(header["error"], gone=gone)
        return header, tensors

    def _expire(self) -> None:
        self._late = True
        self.kill()

    def _fate(self, seconds: float, doing: str) -> str:
        if self._late:
            text = f"did not {doing} within {seconds:g} s, and its worker was ended"
        else:
            text = f"lost its worker, which {_ended(self._process.returncode)}"
        said = " / ".join(self._said)
        last = said if len(said) <= _LONGEST else f"…{said[1 - _LONGEST :]}"
        return f"{text}; the last it said: {last}" if last else text

    def _listen(self) -> None:
        with cast(BinaryIO, self._process.stderr) as lines:
            for line in lines:
                text = line.decode(errors="replace").rstrip()
                if text:
                    self._said.append(text)
                    _log.info("%s: %s", self._name, text)


def _ended(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"
