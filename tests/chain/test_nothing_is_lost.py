"""Through the whole chain, `every_frame` with `hold` delivers what the server does not refuse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flowrun.chain import policies
from flowrun.chain.compile import Threads, compile_flow
from flowrun.chain.fan_out import FanOut, SinkBranch
from flowrun.chain.stages import Stages
from flowrun.chain.threads import RunThreads
from flowrun.frame import Frame
from flowrun.kserve.client.backoff import LONGEST_PAUSE
from flowrun.kserve.client.outage import OutageTransport
from flowrun.kserve.client.outage_state import MAX_ATTEMPTS
from flowrun.ledger.ledger import Counts, Ledger
from flowrun.ledger.losses import lost_frames
from flowrun.spec.flow import BackpressureSpec, Flow, SinkSpec, SourceSpec, TransportSpec
from tests.testbed.troubled_server import ABSENT, TROUBLES, TroubledServer, plans

LIMIT = 10.0  # seconds, a guard against hanging
FRAMES = 25


@dataclass
class Written:
    """A sink that keeps the number of each frame and that in its picture."""

    numbers: list[tuple[int, int]] = field(default_factory=list)

    def write(self, frame: Frame) -> None:
        self.numbers.append((frame.index, int(frame.image[0, 0, 0])))

    def close(self) -> None: ...
    def abort(self) -> None: ...


def source() -> Iterator[Frame]:
    for index in range(FRAMES):
        yield Frame(np.full((2, 2, 3), index, np.uint8), index, index / 30, 1 / 30, 0.0)


def run(server: TroubledServer, in_flight: int) -> tuple[list[int], Counts]:
    """Run a file through the chain with its threads: the frames in the sink, and the counts."""
    flow = Flow(
        name="f",
        source=SourceSpec("in.mp4"),
        transport=TransportSpec(
            "unary", ("server",), "model", in_flight=in_flight, on_outage="hold"
        ),
        sinks=(SinkSpec("null"),),
        backpressure=BackpressureSpec("every_frame"),
    )
    ledger, sink, threads, clock = Ledger(), Written(), RunThreads(), lambda: server.now
    transport = OutageTransport(server, server.is_ready, "hold", wait=server.wait, clock=clock)
    stages = Stages(
        flow.transport,
        preprocess=(),
        transport=transport,
        postprocess=(),
        ledger=ledger,
        window=policies.window(flow, ledger.clock),
    )
    on = Threads(threads.thread("source"), threads.thread("preprocess"), threads.main)
    errors: list[Exception] = []

    def failed(error: Exception) -> None:
        errors.append(error)
        threads.main.stop()

    fan_out = FanOut(ledger, [SinkBranch("sink", sink)])
    compile_flow(flow, source(), stages, fan_out, ledger, on).subscribe(
        on_error=failed, on_completed=threads.main.stop
    )
    threads.main.run()
    assert threads.stop(LIMIT)
    transport.close()
    ledger.close()
    assert not errors
    assert all(index == pictured for index, pictured in sink.numbers)
    return [index for index, _ in sink.numbers], ledger.counts()


@given(plans("answer", *TROUBLES, "no picture"), st.integers(1, 6))
def test_every_frame_that_is_not_refused_is_delivered_in_order_soon_after_the_last_trouble(
    plan: list[str], in_flight: int
) -> None:
    server = TroubledServer(plan)
    delivered, counts = run(server, in_flight)
    lost = set(range(FRAMES)) - set(delivered)
    assert delivered == sorted(set(delivered))
    crashed = {number for number, times in server.crashed.items() if times >= MAX_ATTEMPTS}
    assert lost <= server.refused | crashed
    assert (counts.captured, counts.fates["delivered"]) == (FRAMES, len(delivered))
    assert sum(counts.fates["failed", cause] for cause in ("transport", "timeout")) == len(lost)
    text = lost_frames(counts)
    if lost:
        assert text is not None
        assert text.startswith(f"{len(lost)} of {FRAMES} frames lost (")
        assert f"the first was frame {min(lost)}: transport" in text
    else:
        assert text is None
    assert server.now <= server.trouble + ABSENT + 3 * LONGEST_PAUSE
