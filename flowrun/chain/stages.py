"""What happens to one frame at each stage, and what the ledger hears of it.

A stage returns `None` when the frame has met its fate there. Errors that end the run are raised
after the frame has been entered in the books.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Protocol

import numpy as np

from flowrun.chain.tensors import is_picture, to_picture, to_request
from flowrun.errors import DeadlineError, HookError, OutageError, TransportError
from flowrun.frame import Frame, Image
from flowrun.hooks.loader import Hook
from flowrun.inference import Request, Result, Tensor
from flowrun.ledger.fates import FailCause
from flowrun.ledger.ledger import Ledger
from flowrun.operators.limit import Limit
from flowrun.operators.occupancy import Occupancy
from flowrun.spec.flow import Color, TransportSpec

log = logging.getLogger("flowrun")

Tensors = Mapping[str, Tensor]  # by input name; an empty one stands for the only input


@dataclass(slots=True)
class Job:
    """A frame on its way to the model and back. Times are the ledger's clock."""

    frame: Frame  # as the source gave it, with what preprocessing attached
    request: Request  # empty once it was sent: the transport knows how long it needs it
    sent: float = 0.0
    answered: float = 0.0


@dataclass(slots=True)
class Answer:
    """What the model made of a job; no `result` where `on_error: passthrough` stood in for it."""

    job: Job
    result: Result | None


class Settled(Protocol):
    """What became of a request: the shape of the operators' `Outcome`."""

    @property
    def item(self) -> Job: ...
    @property
    def value(self) -> Result | None: ...
    @property
    def error(self) -> BaseException | None: ...


class Submit(Protocol):
    def submit(self, request: Request) -> Future[Result | None]: ...


class _Timed:
    """A hook, and the time that it took for each frame noted in the ledger."""

    __slots__ = ("_add", "_clock", "hook")

    def __init__(self, hook: Hook, ledger: Ledger) -> None:
        self.hook = hook
        self._clock = ledger.clock
        self._add = ledger.latencies.hook(hook.key, hook.path).add

    def __call__(self, frame: Frame, *result: Result) -> Any:
        began = self._clock()
        try:
            return self.hook(frame, *result)
        finally:
            self._add(self._clock() - began)


class Stages:
    """The functions of the chain, in the order in which a frame meets them.

    `capture` runs on the source's thread, `fresh`, `preprocess` and `submit` on the preprocess
    thread, `settle` and `postprocess` on the delivering one.
    """

    def __init__(
        self,
        spec: TransportSpec,
        *,
        preprocess: Sequence[Hook],
        transport: Submit,
        postprocess: Sequence[Hook],
        ledger: Ledger,
        window: Limit,
        buffer: Occupancy[Frame] | None = None,
        max_age: float | None = None,
        color: Color = "rgb",
    ) -> None:
        self._spec = spec
        self._preprocess = [_Timed(hook, ledger) for hook in preprocess]
        self._transport = transport
        self._postprocess = [_Timed(hook, ledger) for hook in postprocess]
        self._ledger = ledger
        self.window = window
        self.buffer = buffer  # what waits for preprocessing, for whoever watches
        self._max_age = max_age  # seconds
        # Whether anything behind the model may need the source's picture.
        self._looks_back = bool(postprocess) or "passthrough" in (spec.on_error, spec.on_outage)
        self._color: Color = color
        self._complaints: Counter[str] = Counter()
        self.last_complaint: str | None = None

    def capture(self, source: Iterable[Frame]) -> Iterator[Frame]:
        """The frames of `source`, and how long each took to come."""
        asked = self._ledger.clock()
        for frame in source:
            self._ledger.took("source", self._ledger.clock() - asked)
            yield frame
            del frame  # here as in the sources: waiting for the next one keeps no picture alive
            asked = self._ledger.clock()

    def fresh(self, frame: Frame) -> Frame | None:
        """The frame, unless it has grown too old while it waited."""
        if self._max_age is not None and self._ledger.clock() - frame.captured > self._max_age:
            self._ledger.dropped(frame, "stale")
            return None
        return frame

    def preprocess(self, frame: Frame) -> Job | None:
        """What the preprocess hooks make of the frame, as a request. The frame keeps its picture if
        anything behind the model looks at it (or else one of that size which takes no memory), and
        learns what was attached and which view of it goes to the model."""
        began = self._ledger.clock()
        self._ledger.took("buffer", began - frame.captured, frame)
        made = self._run(self._preprocess, "preprocess", frame)
        if made is None:
            return None
        picture, tensors = made
        if tensors is None:
            request = to_request(picture.image, self._spec, self._color)
        else:
            request = Request(tensors, made_by=self._preprocess[-1].hook.key)
        request.releasable = not self._looks_back
        image = _blank(frame.image.shape) if request.releasable else frame.image
        job = Job(frame.changed(image, picture.data, picture.seen), request)
        self._ledger.took("preprocess", self._ledger.clock() - began, frame)
        return job

    def submit(self, job: Job) -> Future[Result | None]:
        """Send it; the answer's time is noted by the thread that brings it."""
        job.sent = self._ledger.clock()
        request, job.request = job.request, Request({})
        future = self._transport.submit(request)
        future.add_done_callback(partial(self._note_answer, job))
        return future

    def settle(self, outcome: Settled) -> Answer | None:
        """The answer, or the fate of a frame that got none."""
        job, error = outcome.item, outcome.error
        now = self._ledger.clock()
        if error is None:
            others = max(0, self.window.inside - 1)
            self._ledger.took("transport", job.answered - job.sent, job.frame, others=others)
            self._ledger.took("order", now - job.answered, job.frame)
            if outcome.value is None or not (outcome.value.outputs or self._postprocess):
                self._ledger.dropped(job.frame, "no_response")
                return None
            return Answer(job, outcome.value)
        # With `hold` there is one only if the run stops meanwhile. The transport has told of it.
        unavailable = isinstance(error, OutageError)
        policy = self._spec.on_outage if unavailable else self._spec.on_error
        if isinstance(error, TransportError) and policy == "passthrough":
            self._complain(error, log_it=not unavailable)
            return Answer(job, None)
        cause: FailCause = "timeout" if isinstance(error, DeadlineError) else "transport"
        self._ledger.failed(job.frame, cause)
        if not isinstance(error, TransportError) or policy == "fail":
            raise error
        self._complain(error, log_it=not unavailable)
        return None

    def postprocess(self, answer: Answer) -> Frame | None:
        """What the postprocess hooks make of the original frame and the result (empty if the model
        has found nothing); without hooks, the model's answer as a picture."""
        began, frame, result = self._ledger.clock(), answer.job.frame, answer.result
        made: Frame | None
        if result is None:
            made = frame
        elif self._postprocess:
            after = self._run(self._postprocess, "postprocess", frame, result)
            made = after and after[0]
            if made is not None and made is not frame:
                made = frame.changed(made.image, made.data, frame.view)
        else:
            try:
                made = frame.with_image(to_picture(result, self._spec))
            except BaseException:
                self._ledger.failed(frame, "postprocess")
                raise
        self._ledger.took("postprocess", self._ledger.clock() - began, frame)
        return made

    def _run(
        self, hooks: Sequence[_Timed], cause: FailCause, frame: Frame, *result: Result
    ) -> tuple[Frame, Tensors | None] | None:
        """`frame` after all `hooks`, and the tensors that the last preprocess hook has made of it;
        `None` if it has met its fate."""
        for timed in hooks:
            hook = timed.hook
            try:
                made = timed(frame, *result)
                if made is not frame:  # or else the hook has only looked
                    made = _checked(hook, made, frame, last=timed is hooks[-1])
            except HookError as error:
                if hook.on_error == "passthrough":
                    self._complain(error)
                    continue
                self._ledger.failed(frame, cause)
                if hook.on_error == "fail":
                    raise
                self._complain(error)
                return None
            if made is None:
                self._ledger.dropped(frame, "hook")
                return None
            if not isinstance(made, Frame):
                return frame, made
            frame = made
        return frame, None

    def _note_answer(self, job: Job, _: Future[Result | None]) -> None:
        job.answered = self._ledger.clock()

    def _complain(self, error: Exception, *, log_it: bool = True) -> None:
        """Warn of what costs a frame: the 1st, 10th, 100th … time that the same thing happens."""
        self.last_complaint = str(error)
        if not log_it:
            return
        kind = f"{type(error).__name__} {getattr(error, 'key', '')}"
        self._complaints[kind] += 1
        times = self._complaints[kind]
        if str(times).strip("0") == "1":
            log.warning("%s%s", error, f" (for the {times}th time)" if times > 1 else "")


def _checked(hook: Hook, made: Any, before: Frame, *, last: bool) -> Frame | Tensors | None:
    """What a hook returned, if the next stage can use it: a `Frame` with a good picture, `None`, or
    (last preprocess hook) tensors. Raises `HookError` otherwise."""
    if made is None:
        return None
    frame = made if isinstance(made, Frame) else before.with_image(made)
    image = frame.image
    if is_picture(image):
        after = before.changed(image, frame.data, frame.view)
        return _stretched(after, before) if _in_front(hook) else after
    if _in_front(hook) and last:
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
        + ("; tensors only from the last hook" if _in_front(hook) else ""),
    )


def _in_front(hook: Hook) -> bool:
    """Whether the hook stands in front of the model."""
    return hook.key.startswith("preprocess")


def _stretched(after: Frame, before: Frame) -> Frame:
    """A hook that makes another size and says nothing of the view has stretched the picture."""
    size = (after.width, after.height)
    if after.view is not before.view or size == (before.width, before.height):
        return after
    return after.with_image(after.image, before.seen.resized(*size))


@lru_cache(maxsize=1)
def _blank(shape: tuple[int, ...]) -> Image:
    """A read-only black picture: one byte of memory."""
    return np.broadcast_to(np.uint8(0), shape)
