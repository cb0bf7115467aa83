"""Open the sinks of a flow, each as a branch of the chain or as a listener to the fates."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from flowrun.chain.fan_out import FateBranch, SinkBranch, queue_for
from flowrun.chain.queues import several
from flowrun.chain.threads import RunThreads
from flowrun.ledger.ledger import Ledger
from flowrun.media.protocols import FateSink, SinkContext
from flowrun.media.sinks import open_sink
from flowrun.media.sinks.web import WebSink
from flowrun.spec.flow import Flow


def open_sinks(
    flow: Flow,
    context: Callable[[str], SinkContext],
    ledger: Ledger,
    threads: RunThreads,
    *,
    with_chain: ExitStack,
    with_ledger: ExitStack,
    when_aborted: Callable[[Callable[[], None]], None],
) -> tuple[tuple[SinkBranch, ...], tuple[FateBranch, ...]]:
    """The sinks that get frames, and those that get only their fates.

    Sinks are closed with the chain, except for those that also show the end of the run: they are
    closed with the ledger, once every frame has its fate. `context` gives the context of the sink
    at a key of the flow; the `abort` of each sink goes to `when_aborted`. Raises what `open_sink`
    does.
    """
    many = several(flow)
    branches, fates = [], []
    for key, spec in flow.sinks_by_key.items():
        known = context(key)
        sink = open_sink(spec, known)
        when_aborted(sink.abort)
        if isinstance(sink, FateSink):
            with_ledger.callback(sink.close)
            ledger.on_fate(sink.note)
            fates.append(FateBranch(key, sink))
        else:
            (with_ledger if isinstance(sink, WebSink) else with_chain).callback(sink.close)
            queue = queue_for(spec, flow, threads, several=many)
            branches.append(SinkBranch(key, sink, queue, known.when))
    if not branches:  # without sinks for pictures, the frames go to those for lines
        branches, fates = [SinkBranch(each.key, each.sink) for each in fates], []
    return tuple(branches), tuple(fates)
