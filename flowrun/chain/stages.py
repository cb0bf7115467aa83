"""The stages of the chain in order: what each does to a frame, and what it counts in the ledger.

A stage returns `None` when the frame has got its fate there. Errors that end the run are raised
after the ledger has counted the frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Protocol

import numpy as np

from flowrun.chain.hook_calls import HookCalls
from flowrun.chain.request_failures import RequestFailures
from flowrun.chain.tensors import to_picture, to_request
from flowrun.chain.throttled_warnings import ThrottledWarnings
from flowrun.errors import ContractError
from flowrun.frame import Frame, Image
from flowrun.hooks.loader import Hook
from flowrun.inference import Request, Result
from flowrun.ledger.ledger import Ledger
from flowrun.operators.limit import Limit
from flowrun.operators.occupancy import Occupancy
from flowrun.spec.flow import Color, TransportSpec


@dataclass(slots=True)
class Job:
    """A frame on its way to the model and back. Times are the ledger's clock."""

    frame: Frame  # from the source, with what preprocessing attached
    request: Request  # empty once it was sent: the transport keeps it as long as it needs it
    sent: float = 0.0
    received: float = 0.0


@dataclass(slots=True)
class JobResult:
    """A job and its result; `None` where `passthrough` continues without one."""

    job: Job
    result: Result | None


class Settled(Protocol):
    """The outcome of a request: the shape of the operators' `Outcome`."""

    @property
    def item(self) -> Job: ...
    @property
    def value(self) -> Result | None: ...
    @property
    def error(self) -> BaseException | None: ...


class Submit(Protocol):
    def submit(self, request: Request) -> Future[Result | None]: ...


class Stages:
    """The functions of the chain, in the order in which a frame passes them.

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
        warnings = ThrottledWarnings()
        self._preprocess = HookCalls("preprocess", preprocess, ledger, warnings)
        self._made_by = preprocess[-1].key if preprocess else "transport"  # if it makes tensors
        self._transport = transport
        self._failures = RequestFailures(spec, ledger, warnings)
        self._postprocess = HookCalls("postprocess", postprocess, ledger, warnings)
        self._has_postprocess = bool(postprocess)
        self._ledger = ledger
        self.window = window
        self.buffer = buffer  # the queue before preprocessing, for the status
        self._max_age = max_age  # seconds
        # Whether a stage after the model may need the source's picture.
        self._keep_picture = bool(postprocess) or "passthrough" in (spec.on_error, spec.on_outage)
        self._color: Color = color

    def capture(self, source: Iterable[Frame]) -> Iterator[Frame]:
        """The frames of `source`; records how long each took."""
        asked = self._ledger.clock()
        for frame in source:
            self._ledger.took("source", self._ledger.clock() - asked)
            yield frame
            del frame  # as in the sources: waiting for the next one must not keep a picture alive
            asked = self._ledger.clock()

    def fresh(self, frame: Frame) -> Frame | None:
        """The frame, unless it waited for longer than `max_age` and is stale."""
        if self._max_age is not None and self._ledger.clock() - frame.captured > self._max_age:
            self._ledger.dropped(frame, "stale")
            return None
        return frame

    def preprocess(self, frame: Frame) -> Job | None:
        """Run the preprocess hooks and make a request. The job's frame keeps its picture if a stage
        after the model needs it (otherwise it gets one of that size that uses no memory), and
        gets what was attached and the view that the model sees."""
        began = self._ledger.clock()
        self._ledger.took("buffer", began - frame.captured, frame)
        made = self._preprocess.run(frame)
        if made is None:
            return None
        picture, tensors = made
        if tensors is None:
            request = to_request(picture.image, self._spec, self._color)
        else:
            request = Request(tensors, made_by=self._made_by)
        request.releasable = not self._keep_picture
        content = _blank((frame.height, frame.width, 3)) if request.releasable else frame.content
        job = Job(frame.changed(content, picture.data, picture.seen), request)
        self._ledger.took("preprocess", self._ledger.clock() - began, frame)
        return job

    def mark_last(self, job: Job) -> Job:
        """No request follows that of `job`."""
        job.request.last = True
        return job

    def submit(self, job: Job) -> Future[Result | None]:
        """Send the request; the thread that receives the response records its time."""
        job.sent = self._ledger.clock()
        request, job.request = job.request, Request({})
        future = self._transport.submit(request)
        future.add_done_callback(partial(self._note_response, job))
        return future

    def settle(self, outcome: Settled) -> JobResult | None:
        """The result of a request, or the fate of its frame if there is none."""
        job, error = outcome.item, outcome.error
        if error is not None:
            return JobResult(job, None) if self._failures.settle(job.frame, error) else None
        now = self._ledger.clock()
        others = max(0, self.window.inside - 1)
        self._ledger.took("transport", job.received - job.sent, job.frame, others=others)
        self._ledger.took("order", now - job.received, job.frame)
        if outcome.value is None or not (outcome.value.outputs or self._has_postprocess):
            self._ledger.dropped(job.frame, "no_response", "the model sent no output for it")
            return None
        if self._has_postprocess:
            self._failures.note_usable()
        return JobResult(job, outcome.value)

    def postprocess(self, done: JobResult) -> Frame | None:
        """Run the postprocess hooks on the original frame and the result (without outputs if the
        model found nothing); without hooks, make the model's output the picture."""
        began, frame, result = self._ledger.clock(), done.job.frame, done.result
        made: Frame | None
        if result is None:
            made = frame
        elif self._has_postprocess:
            after = self._postprocess.run(frame, result)
            made = after and after[0]
            if made is not None and made is not frame:
                made = frame.changed(made.content, made.data, frame.view)
        else:
            made = self._picture(frame, result)
        self._ledger.took("postprocess", self._ledger.clock() - began, frame)
        return made

    def _picture(self, frame: Frame, result: Result) -> Frame | None:
        """`frame` with the model's output as its picture; if that is none, as after a failed
        request."""
        try:
            image = to_picture(result, self._spec)
        except ContractError as error:
            return frame if self._failures.unusable(frame, error) else None
        except BaseException as error:
            self._ledger.failed(frame, "postprocess", error)
            raise
        self._failures.note_usable()
        return frame.with_image(image)

    def _note_response(self, job: Job, _: Future[Result | None]) -> None:
        job.received = self._ledger.clock()


@lru_cache(maxsize=1)
def _blank(shape: tuple[int, ...]) -> Image:
    """A read-only black picture: one byte of memory."""
    return np.broadcast_to(np.uint8(0), shape)
