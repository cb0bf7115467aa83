"""Open the parts of a run: source, transport and sinks."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np

from flowrun.chain import policies
from flowrun.chain.fan_out import SinkBranch
from flowrun.chain.open_sinks import open_sinks
from flowrun.chain.shutdown import Shutdown
from flowrun.chain.status import Status
from flowrun.chain.tensors import to_request
from flowrun.chain.threads import RunThreads
from flowrun.errors import SinkError
from flowrun.frame import VideoInfo
from flowrun.image.buffers import Buffers
from flowrun.inference import OutputReader
from flowrun.kserve.cassette.recorder import Recorder
from flowrun.kserve.connect import open_supervised
from flowrun.kserve.contract.model_info import ModelTransport
from flowrun.kserve.server.embedded import serving
from flowrun.kserve.startup import ServerWait
from flowrun.ledger.ledger import Ledger
from flowrun.media.claims import Claims
from flowrun.media.file_pattern import FilePattern
from flowrun.media.protocols import SinkContext, Source, SourceContext
from flowrun.media.sound_queue import SoundTap
from flowrun.media.sources import make_source
from flowrun.media.when import When
from flowrun.spec.flow import Flow, OnOutage, SourceSpec
from flowrun.spec.secrets import redact

log = logging.getLogger("flowrun")


class Parts:
    """Opens the parts of a run and shows them in `status`. Each is registered with `shutdown`, and
    for closing with the `ExitStack` that its method gets; what gets every fate is closed with
    `listeners`, after the ledger. One thread."""

    def __init__(
        self,
        flow: Flow,
        ledger: Ledger,
        status: Status,
        shutdown: Shutdown,
        listeners: ExitStack,
        recorder: Recorder | None,
    ) -> None:
        self.flow = flow
        self.sound = SoundTap()
        self._ledger = ledger
        self._status = status
        self._shutdown = shutdown
        self._listeners = listeners
        self._recorder = recorder
        self._claims = Claims()
        listeners.callback(self._claims.close)
        self._server_wait = ServerWait(flow.transport)
        status.server_wait = self._server_wait.downtime
        shutdown.when_stopped(self._server_wait.stop)

    def wait_for_server(self) -> bool:
        """Whether the model is ready; false if the run is stopped before."""
        return self._server_wait.wait()

    def claim_files(self) -> None:
        """Claim all files before a sink creates one. A second time has no effect."""
        for key, spec in self.flow.sinks_by_key.items():
            if spec.is_series:
                pattern = FilePattern(spec.uri)
                source = self.flow.source
                if spec.keep and source.kind == "file" and pattern.matches(Path(source.uri)):
                    raise SinkError(
                        f"it could delete {source.uri}, which the source reads",
                        key=f"{key}.keep",
                        hint="write to another folder, or remove `keep`",
                    )
                self._claims.take_pattern(pattern, key)
            elif spec.file is not None:
                self._claims.take(spec.file, key, overwrite=spec.overwrite)

    def open_source(
        self, closing: ExitStack, spec: SourceSpec, buffers: Buffers
    ) -> tuple[Source, VideoInfo | None]:
        """Open the source; `None` in place of its video if the run is stopped before."""
        sound = self.flow.copies_sound
        source = self._status.source = make_source(spec, SourceContext(buffers, sound=sound))
        closing.callback(source.close)
        self._shutdown.when_stopped(source.stop)
        info = self._status.info = source.open()
        if sound and info is not None and info.sound is None:
            log.info("source: %s has no sound", redact(spec.uri))
        return source, info

    def open_transport(
        self,
        closing: ExitStack,
        on_outage: OnOutage,
        info: VideoInfo,
        buffers: Buffers,
        reads: OutputReader | None,
    ) -> ModelTransport | None:
        """Open the transport, for the hooks `reads`; `None` if the run is stopped while it waits
        for the server."""
        flow, like, unchanged = self.flow, None, False
        if not flow.preprocess:  # otherwise the first frame shows what they make of it
            blank = np.zeros((info.height, info.width, 3), np.uint8)
            like = to_request(blank, flow.transport, flow.source.color)
            (tensor,) = like.inputs.values()
            unchanged = np.may_share_memory(tensor, blank) and tensor.flags.c_contiguous
        opened = partial(
            open_supervised,
            flow.transport,
            on_outage,
            address=closing.enter_context(serving(flow.transport)),
            sample=like,
            shown=not flow.postprocess,
            reads=reads,
            buffers=buffers if unchanged else None,
            states=self._status.addresses,
            recorder=self._recorder,
        )
        waits = policies.waits_for_server(flow, live=info.live)
        transport = self._server_wait.open(opened) if waits else opened()
        if transport is None:
            return None
        self._status.transport = transport
        closing.callback(transport.close)
        self._shutdown.when_stopped(transport.release)
        return transport

    def open_sinks(
        self, closing: ExitStack, flow: Flow, info: VideoInfo, threads: RunThreads
    ) -> tuple[SinkBranch, ...]:
        """Open all sinks; returns those that get frames."""
        self._status.branches, self._status.fate_branches = open_sinks(
            flow,
            partial(self._context, info),
            self._ledger,
            threads,
            with_chain=closing,
            with_ledger=self._listeners,
            when_aborted=self._shutdown.when_aborted,
        )
        return self._status.branches

    def _context(self, info: VideoInfo, key: str) -> SinkContext:
        spec = self.flow.sinks_by_key[key]
        when = self._status.selections[key] = When(spec.when)
        copied = info.sound if spec.audio == "copy" else None

        def unavailable_since() -> datetime | None:
            shown = self.flow.source.on_loss == "placeholder"
            source = self._status.source
            return source.unavailable_since if shown and source else None

        return SinkContext(
            info,
            self.flow.source.color,
            key=key,
            name=self.flow.name,
            run=self._status.run,
            when=when,
            stop=self._shutdown.stop,
            unavailable_since=unavailable_since,
            status=self._status.to_json,
            claims=self._claims,
            sound=None if copied is None else self.sound.queue(copied, key),
        )
