"""What each stage does to a frame, and what it counts in the ledger."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest

from flowrun.chain.stages import Job, JobResult, Stages
from flowrun.errors import (
    DeadlineError,
    FirstDeadlineError,
    HookError,
    OutageError,
    TransportError,
)
from flowrun.frame import Frame
from flowrun.hooks.loader import Hook
from flowrun.inference import Request, Result
from flowrun.ledger.ledger import Ledger
from flowrun.ledger.summary import summarize
from flowrun.operators.limit import Limit
from flowrun.operators.outcome import Outcome
from flowrun.spec.flow import TransportSpec
from flowrun.view import View


def frame(index: int = 0) -> Frame:
    return Frame(np.full((4, 6, 3), index, np.uint8), index, 0.0, 0.0, 0.0)


def hook(call: Any, key: str = "preprocess[0]", on_error: Any = "fail") -> Hook:
    return Hook(key, "my:hook", on_error, call, lambda: None)


class Fake:
    """A transport whose futures the test completes."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def submit(self, request: Request) -> Future[Result | None]:
        self.requests.append(request)
        return Future()


class Clock:
    """A clock that the test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Bench:
    def __init__(self, preprocess: Any = (), postprocess: Any = (), **transport: Any) -> None:
        self.fake = Fake()
        self.clock = Clock()
        self.ledger = Ledger(self.clock)
        spec = TransportSpec(mode="stream", address=("embedded",), model="m", **transport)
        self.stages = Stages(
            spec,
            preprocess=preprocess,
            transport=self.fake,
            postprocess=postprocess,
            ledger=self.ledger,
            window=Limit(4),
        )

    def captured(self, index: int = 0) -> Frame:
        made = frame(index)
        self.ledger.captured(made)
        return made

    def job(self) -> Job:
        job = self.stages.preprocess(self.captured())
        assert job is not None
        return job

    def fates(self) -> dict[str, int]:
        summary = summarize(self.ledger, "f")
        counts = {"delivered": summary.delivered, **summary.dropped, **summary.failed}
        return {name: n for name, n in counts.items() if n}

    def reason(self) -> str:
        """Why the only frame was not delivered."""
        (first,) = self.ledger.counts().first
        assert first.reason is not None
        return first.reason


ERROR = "preprocess[0]: my:hook raised ValueError: boom at frame"


def boom(*_: Any) -> Any:
    raise ValueError("boom")


def test_waiting_for_the_next_frame_keeps_no_picture_alive() -> None:
    alive: list[bool] = []

    def source() -> Iterator[Frame]:
        for index in range(3):
            made = frame(index)
            picture = weakref.ref(made.image)
            yield made
            del made
            alive.append(picture() is not None)

    for captured in Bench().stages.capture(source()):
        del captured
    assert alive == [False] * 3


def test_a_frame_becomes_a_request_for_the_input_of_the_flow() -> None:
    bench = Bench(input="image")
    captured = bench.captured()
    job = bench.stages.preprocess(captured)
    assert job is not None
    assert list(job.request.inputs) == ["image"]
    assert job.request.inputs["image"] is captured.image


def test_hooks_work_on_what_the_one_before_made() -> None:
    seen: list[tuple[int, ...]] = []

    def half(value: Frame) -> Any:
        seen.append(value.image.shape)
        return value.image[::2, ::2]

    job = Bench(preprocess=[hook(half), hook(half, "preprocess[1]")]).job()
    assert seen == [(4, 6, 3), (2, 3, 3)]
    assert job.request.inputs[""].shape == (1, 2, 3)
    assert job.frame.image.shape == (4, 6, 3)


def test_the_frame_keeps_its_picture_and_gets_the_view_of_the_model() -> None:
    assert Bench().job().frame.view == View(6, 4)
    stretched = Bench(preprocess=[hook(lambda f: f.image[::2, ::3])]).job().frame
    assert stretched.view == View(2, 2, x_scale=3.0, y_scale=2.0)
    assert stretched.image.shape == (4, 6, 3)

    def middle(frame: Frame) -> Frame:
        return frame.with_image(frame.image[1:3, 2:4], frame.seen.cut(2, 1, 2, 2))

    def tensor(frame: Frame) -> Any:
        return frame.image[None].astype(np.float32)

    hooks = [hook(middle), hook(lambda f: f.attach(n=1), "preprocess[1]")]
    for more in ([], [hook(tensor, "preprocess[2]")]):
        frame = Bench(preprocess=[*hooks, *more]).job().frame
        assert frame.view == View(2, 2, left=2.0, top=1.0)
        assert frame.data == {"n": 1}


def test_hooks_after_the_model_change_the_picture_and_not_the_view() -> None:
    seen: list[View] = []

    def small(frame: Frame, _: Result) -> Frame:
        seen.append(frame.seen)
        return frame.with_image(frame.image[:2, :2])

    bench = Bench(postprocess=[hook(small, f"postprocess[{n}]") for n in range(2)])
    assert bench.stages.postprocess(JobResult(bench.job(), Result({}))) is not None
    assert seen == [View(6, 4)] * 2


def test_a_result_without_outputs_reaches_the_hooks_and_is_not_a_picture() -> None:
    nothing = Result({}, responses=0)
    for hooks, fates in (([], {"no_response": 1}), ([hook(lambda f, _: f, "postprocess[0]")], {})):
        bench = Bench(postprocess=hooks)
        answer = bench.stages.settle(Outcome(bench.job(), nothing))
        assert (answer is None) == bool(fates)
        assert bench.fates() == fates


def test_the_last_preprocess_hook_may_return_tensors() -> None:
    tensors = {"a": np.zeros(3), "b": np.ones(2)}
    assert Bench(preprocess=[hook(lambda _: tensors)]).job().request.inputs == tensors
    one = np.zeros((1, 3, 4, 6), np.float32)
    request = (
        Bench(preprocess=[hook(lambda f: f), hook(lambda _: one, "preprocess[1]")]).job().request
    )
    assert request.inputs[""] is one
    assert request.made_by == "preprocess[1]"
    assert Bench(preprocess=[hook(lambda f: f)]).job().request.made_by == "transport"


def test_tensors_from_any_other_hook_are_an_error() -> None:
    bench = Bench(preprocess=[hook(lambda _: {"a": np.zeros(3)}), hook(lambda f: f)])
    with pytest.raises(HookError) as raised:
        bench.stages.preprocess(bench.captured())
    assert str(raised.value) == (
        "preprocess[0]: my:hook returned dict at frame 0\n"
        "  return a Frame, a uint8 array of shape (height, width, 3), or None to drop the frame;"
        " tensors only from the last hook"
    )
    assert bench.fates() == {"preprocess": 1}


@pytest.mark.parametrize(
    ("on_error", "fates"), [("drop", {"preprocess": 1}), ("fail", {"preprocess": 1})]
)
def test_a_hook_that_fails_costs_the_frame_and_only_with_fail_the_run(
    on_error: str, fates: dict[str, int]
) -> None:
    bench = Bench(preprocess=[hook(boom, on_error=on_error)])
    if on_error == "fail":
        with pytest.raises(HookError, match="boom"):
            bench.stages.preprocess(bench.captured())
    else:
        assert bench.stages.preprocess(bench.captured()) is None
        assert bench.reason().startswith(ERROR)
    assert bench.fates() == fates


def test_with_passthrough_the_frame_goes_on_as_it_was() -> None:
    bench = Bench(preprocess=[hook(boom, on_error="passthrough")])
    captured = bench.captured()
    job = bench.stages.preprocess(captured)
    assert job is not None
    assert job.request.inputs[""] is captured.image


@pytest.mark.parametrize(
    ("after", "kept"),
    [
        ({}, False),
        ({"on_error": "drop", "on_outage": "hold"}, False),
        ({"postprocess": [hook(lambda frame, _: frame, "postprocess[0]")]}, True),
        ({"on_error": "passthrough"}, True),
        ({"on_outage": "passthrough"}, True),
    ],
)
def test_a_picture_that_no_stage_after_the_model_needs_is_released_with_the_request(
    after: dict[str, Any], kept: bool
) -> None:
    bench = Bench(**after)
    captured = bench.captured(7)
    job = bench.stages.preprocess(captured)
    assert job is not None
    assert (job.frame.image is captured.image) == kept
    assert (job.frame.width, job.frame.height, job.frame.view) == (6, 4, View(6, 4))
    assert job.request.releasable == (not kept)
    bench.stages.submit(job)
    assert bench.fake.requests[0].inputs[""] is captured.image
    assert not job.request.inputs


def test_none_from_a_hook_drops_the_frame() -> None:
    bench = Bench(preprocess=[hook(lambda _: None)])
    assert bench.stages.preprocess(bench.captured()) is None
    assert bench.fates() == {"hook": 1}
    assert bench.reason() == "preprocess[0]: my:hook returned None"


@pytest.mark.parametrize(("inside", "busy"), [(0, 200), (1, 200), (4, 50)])
def test_frames_in_flight_together_share_the_transports_time(inside: int, busy: float) -> None:
    bench = Bench()
    job = bench.job()
    for _ in range(inside):
        bench.stages.window.enter()
    job.received = 0.2
    bench.stages.settle(Outcome(job, Result({})))
    assert summarize(bench.ledger, "f").busy_ms["transport"] == busy


@pytest.mark.parametrize(
    ("error", "fate"), [(TransportError("gone"), "transport"), (DeadlineError("late"), "timeout")]
)
def test_a_request_that_fails_costs_one_frame(error: Exception, fate: str) -> None:
    bench = Bench()
    assert bench.stages.settle(Outcome(bench.job(), error=error)) is None
    assert bench.fates() == {fate: 1}


def test_with_on_error_fail_it_ends_the_run() -> None:
    bench = Bench(on_error="fail")
    with pytest.raises(TransportError, match="gone"):
        bench.stages.settle(Outcome(bench.job(), error=TransportError("gone")))
    assert bench.fates() == {"transport": 1}


@pytest.mark.parametrize("on_error", ["drop", "passthrough", "fail"])
def test_a_model_that_does_not_respond_at_all_ends_the_run(on_error: str) -> None:
    bench = Bench(on_error=on_error)
    with pytest.raises(FirstDeadlineError, match="no response at all"):
        bench.stages.settle(Outcome(bench.job(), error=FirstDeadlineError("no response at all")))
    assert bench.fates() == {"timeout": 1}


def test_with_on_error_passthrough_the_original_reaches_the_sink() -> None:
    bench = Bench(on_error="passthrough", postprocess=[hook(boom, "postprocess[0]")])
    job = bench.job()
    answer = bench.stages.settle(Outcome(job, error=TransportError("gone")))
    assert answer == JobResult(job, None)
    made = bench.stages.postprocess(answer)
    assert made is not None
    assert made.image is job.frame.image
    assert bench.fates() == {}


@pytest.mark.parametrize("on_outage", ["hold", "drop", "passthrough", "fail"])
@pytest.mark.parametrize("on_error", ["drop", "passthrough", "fail"])
def test_an_outage_follows_on_outage_and_not_on_error(
    on_outage: str, on_error: str, caplog: Any
) -> None:
    bench = Bench(on_outage=on_outage, on_error=on_error)
    job = bench.job()
    outcome: Outcome[Job, Result] = Outcome(job, error=OutageError("unavailable"))
    if on_outage == "fail":
        with pytest.raises(OutageError, match="unavailable"):
            bench.stages.settle(outcome)
    elif on_outage == "passthrough":
        assert bench.stages.settle(outcome) == JobResult(job, None)
    else:
        assert bench.stages.settle(outcome) is None
    assert bench.fates() == ({} if on_outage == "passthrough" else {"transport": 1})
    assert caplog.messages == []  # the transport has logged it
    if on_outage != "passthrough":
        assert bench.reason() == "transport: unavailable"


def test_no_response_is_a_fate_of_its_own_and_a_bug_is_not_hidden() -> None:
    bench = Bench()
    assert bench.stages.settle(Outcome(bench.job(), None)) is None
    assert bench.fates() == {"no_response": 1}
    bench = Bench()
    with pytest.raises(ZeroDivisionError):
        bench.stages.settle(Outcome(bench.job(), error=ZeroDivisionError()))


def test_the_original_frame_and_the_result_reach_the_postprocess_hook() -> None:
    seen: list[Any] = []

    def note(original: Frame, result: Result) -> Any:
        seen.append((original, result))
        return original.image[:2, :2]

    bench = Bench(
        preprocess=[hook(lambda f: f.image[::2, ::2])],
        postprocess=[hook(note, "postprocess[0]")],
    )
    job, result = bench.job(), Result({"x": np.zeros(3)})
    made = bench.stages.postprocess(JobResult(job, result))
    assert seen == [(job.frame, result)]
    assert made is not None
    assert (made.image.shape, made.index) == ((2, 2, 3), 0)


def settled(bench: Bench, end: Any) -> Any:
    """What becomes of a frame whose request ended with `end`."""
    error = end if isinstance(end, Exception) else None
    job = bench.stages.preprocess(bench.captured(bench.ledger.counts().captured))
    assert job is not None
    done = bench.stages.settle(Outcome(job, None if error else end, error))
    return done and bench.stages.postprocess(done)


MALFORMED = TransportError("output 'output' is malformed", condition="malformed")
UNUSABLE: dict[str, Any] = {
    "another datatype": Result({"output": np.zeros((1, 5), np.int64)}),
    "an empty picture": Result({"output": np.zeros((0, 0, 3), np.uint8)}),
    "another output": Result({"other": np.ones((2, 2, 3), np.uint8)}),
    "malformed": MALFORMED,
}
USABLE = Result({"output": np.ones((2, 2, 3), np.uint8)})


@pytest.mark.parametrize("end", UNUSABLE.values(), ids=UNUSABLE.keys())
@pytest.mark.parametrize("on_error", ["drop", "passthrough", "fail"])
def test_an_unusable_response_costs_its_frame_and_follows_on_error(end: Any, on_error: str) -> None:
    bench = Bench(output="output", on_error=on_error)
    assert settled(bench, USABLE) is not None
    if on_error == "fail":
        with pytest.raises(TransportError):
            settled(bench, end)
    elif on_error == "drop":
        assert settled(bench, end) is None
    else:
        made = settled(bench, end)
        assert (made.width, made.height) == (6, 4)  # the original
    assert bench.fates() == ({} if on_error == "passthrough" else {"transport": 1})
    if on_error != "fail":
        assert settled(bench, USABLE) is not None


@pytest.mark.parametrize("end", UNUSABLE.values(), ids=UNUSABLE.keys())
@pytest.mark.parametrize("on_error", ["drop", "passthrough"])
def test_if_the_first_response_is_unusable_the_run_ends(end: Any, on_error: str) -> None:
    bench = Bench(output="output", on_error=on_error)
    settled(bench, TransportError("refused"))  # this is no response
    with pytest.raises(TransportError, match="output"):
        settled(bench, end)


def test_with_hooks_a_response_is_usable_for_them() -> None:
    bench = Bench(postprocess=[hook(lambda frame, _: frame, "postprocess[0]")])
    assert settled(bench, Result({"boxes": np.zeros(3)})) is not None
    assert settled(bench, MALFORMED) is None


def test_without_hooks_the_output_is_the_picture() -> None:
    bench = Bench()
    answer = np.ones((320, 320, 3), np.uint8)
    made = bench.stages.postprocess(JobResult(bench.job(), Result({"output": answer})))
    assert made is not None
    assert made.image is answer


def test_the_time_of_every_call_is_recorded_for_its_hook() -> None:
    def lasting(seconds: float, then: Any = lambda frame: frame) -> Any:
        def call(frame: Frame, *_: Any) -> Any:
            bench.clock.now += seconds
            return then(frame)

        return call

    bench = Bench(
        preprocess=[
            hook(lasting(0.25)),
            hook(lasting(0.5, boom), "preprocess[1]", on_error="passthrough"),
        ],
        postprocess=[hook(lasting(1.0), "postprocess[0]")],
    )
    bench.job()
    bench.stages.preprocess(frame(1))
    bench.stages.postprocess(JobResult(Job(frame(), Request({})), Result({})))
    found = summarize(bench.ledger, "f").hooks
    assert [(each["hook"], each["mean_ms"]) for each in found] == [
        ("preprocess[0]", 250.0), ("preprocess[1]", 500.0), ("postprocess[0]", 1000.0)
    ]  # fmt: skip


def test_what_hooks_attach_stays_with_the_frame() -> None:
    bench = Bench(
        preprocess=[hook(lambda f: f.attach(scale=2).image[::2]), hook(lambda f: f.attach(a=1))],
        postprocess=[hook(lambda f, _: f.attach(faces=f.data["a"] + 1), "postprocess[0]")],
    )
    made = bench.stages.postprocess(JobResult(bench.job(), Result({"x": np.zeros(3)})))
    assert made is not None
    assert made.data == {"a": 1, "faces": 2}  # an array has nothing attached
    assert made.image.shape == (4, 6, 3)


def test_the_same_warning_is_logged_the_first_tenth_and_hundredth_time(caplog: Any) -> None:
    bench = Bench(preprocess=[hook(boom, on_error="drop")])
    for index in range(150):
        bench.stages.preprocess(bench.captured(index))
    said = [record.getMessage() for record in caplog.records]
    assert [text.partition(ERROR)[2].partition(" (")[0] for text in said] == [" 0", " 9", " 99"]
    assert "time)" not in said[0]
    assert said[1].endswith(" (for the 10th time)")
    assert said[2].endswith(" (for the 100th time)")
