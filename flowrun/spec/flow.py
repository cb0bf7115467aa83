"""The flow as data, after validation.

One frozen dataclass per mapping of the file, one field per key, in the order in which a frame
passes them. Durations are seconds, sizes `(width, height)` in pixels. The defaults are copies of
those in `schemas/flow.schema.json`; a test compares them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from flowrun.spec import strftime
from flowrun.spec.expectations import Expectation
from flowrun.spec.kinds import (
    FILE_SINKS,
    LINE_SINKS,
    LIVE,
    SinkKind,
    SourceKind,
    sink_kind,
    source_kind,
)

Parameter = bool | int | float | str
OnError = Literal["fail", "drop", "passthrough"]
Color = Literal["rgb", "bgr"]
RtspTransport = Literal["tcp", "udp"]
Startup = Literal["auto", "wait", "fail"]
OnOutage = Literal["hold", "passthrough", "drop", "fail"]


@dataclass(frozen=True, slots=True)
class Reconnect:
    initial: float = 1.0
    maximum: float = 30.0
    jitter: bool = True
    healthy_after: float = 10.0
    give_up_after: float | None = None


@dataclass(frozen=True, slots=True)
class SourceSpec:
    uri: str
    size: tuple[int, int] | None = None
    fps: float | None = None
    color: Color = "rgb"
    tone_map: bool = True
    decoder: Literal["auto", "av", "ffmpeg"] = "auto"
    pace: Literal["auto", "realtime", "fast"] = "auto"
    loop: bool = False
    rtsp_transport: RtspTransport = "tcp"
    open_timeout: float = 10.0
    read_timeout: float = 5.0
    startup: Startup = "auto"
    on_loss: Literal["freeze", "placeholder", "stop"] = "freeze"
    poll: float | None = None
    ffmpeg: Mapping[str, Any] = field(default_factory=dict)  # input options
    reconnect: Reconnect = Reconnect()

    @property
    def kind(self) -> SourceKind:
        return source_kind(self.uri)

    @property
    def live(self) -> bool | None:
        """Whether it cannot wait for slow stages; `None`: known once it is open."""
        return LIVE[self.kind] if self.poll is None else True


LIBRARY = "flowrun.hooks"  # the package of the hooks that flowrun brings


@dataclass(frozen=True, slots=True)
class HookSpec:
    """`folders`, here and for a model, are the absolute ones of the flow's file and of those that
    it extends; the module may be there."""

    hook: str  # a dotted path, also where the flow has a bare name
    with_: Mapping[str, Any] = field(default_factory=dict)  # the YAML key is `with`
    on_error: OnError = "fail"
    folders: tuple[str, ...] = field(default=(), compare=False, repr=False)

    @property
    def is_brought(self) -> bool:
        """Whether flowrun brings the hook, which the flow may then call by its bare name."""
        return self.hook.startswith(f"{LIBRARY}.")

    @property
    def name(self) -> str:
        """The shortest name for it in a flow: the bare name of a hook that flowrun brings."""
        module, _, name = self.hook.rpartition(":")
        return name if module == f"{LIBRARY}.{name}" else self.hook


@dataclass(frozen=True, slots=True)
class Tls:
    ca: str | None = None
    cert: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class TransportSpec:
    mode: Literal["stream", "unary"]
    address: tuple[str, ...]  # one entry for a plain string
    model: str
    authority: str | None = None
    version: str | None = None
    input: str | None = None
    output: str | None = None
    outputs: tuple[str, ...] | None = None
    correlation: Literal["auto", "timestamp", "id"] = "auto"
    sequence: bool = False
    dtype: Literal["uint8", "int8", "uint16", "int16", "int32", "fp16", "fp32", "fp64"] = "uint8"
    layout: Literal["HWC", "CHW"] = "HWC"
    batch: bool = False
    encoding: Literal["raw", "jpeg"] = "raw"
    shared_memory: Literal["system"] | None = None
    in_flight: int | Literal["auto"] = 4
    timeout: float = 10.0
    first_timeout: float = 60.0
    startup: Startup = "auto"
    on_error: OnError = "drop"
    on_outage: Literal["auto", "hold", "passthrough", "drop", "fail"] = "auto"
    tls: Tls | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # secret
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    replay_pace: Literal["fast", "recorded"] = "fast"
    on_unknown: Literal["error", "nearest"] = "error"  # of a request that was not recorded
    folders: tuple[str, ...] = field(default=(), compare=False, repr=False)

    @property
    def picture(self) -> str | None:
        """The output that becomes the picture without postprocess hooks; `None`: the only one."""
        if self.output is None and self.outputs is not None and len(self.outputs) == 1:
            return self.outputs[0]
        return self.output

    @property
    def embedded(self) -> bool:
        return self.address == ("embedded",)

    @property
    def cassette(self) -> str | None:
        """The path of the cassette that answers in place of a server."""
        prefix, address = "replay:", self.address[0]
        return address.removeprefix(prefix) if address.startswith(prefix) else None

    @property
    def has_server(self) -> bool:
        """Whether another program is the model server, which may be unavailable."""
        return not self.embedded and self.cassette is None


class Keep(NamedTuple):
    """What a sink keeps of its files: those of the last `seconds`, or `bytes` altogether."""

    seconds: float | None = None
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class SinkSpec:
    uri: str  # "null" for YAML's null
    encoder: Literal["ffmpeg", "av"] = "ffmpeg"
    codec: str | None = None
    preset: str | None = None
    bitrate: str | None = None
    quality: float | None = None
    fps: float | None = None
    timing: Literal["auto", "source", "clock"] = "auto"
    overwrite: bool = False
    segment: float | None = None  # of the recording in a file
    keep: Keep | None = None
    audio: Literal["drop", "copy"] = "drop"
    ffmpeg: Mapping[str, Any] = field(default_factory=dict)  # output options
    when: str | None = None  # the name under which hooks attach what selects a frame
    batch: int = 1  # lines in a request at most
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # secret
    tls: Tls | None = None
    token: str | None = field(default=None, repr=False)  # of the page; secret
    hosts: tuple[str, ...] = ()  # more names by which the page answers on a loopback address
    reconnect: Reconnect = Reconnect()

    @property
    def kind(self) -> SinkKind:
        return sink_kind(self.uri)

    @property
    def file(self) -> Path | None:
        """The file that it writes, if it writes one whose name is known."""
        if self.kind not in FILE_SINKS or self.is_series:
            return None
        return Path(strftime.literal(self.uri) if self.kind == "video" else self.uri)

    @property
    def is_series(self) -> bool:
        """Whether `uri` is a pattern: it writes a file after the other, or names it by the time."""
        return self.kind == "video" and (self.segment is not None or strftime.is_dated(self.uri))

    @property
    def writes_lines(self) -> bool:
        """Whether it writes a line about each frame, and no pictures."""
        return self.kind in LINE_SINKS

    @property
    def acts_between_frames(self) -> bool:
        """Whether it has work to do between frames, for which it needs a thread of its own."""
        return self.watched or self.kind == "hls"

    @property
    def watched(self) -> bool:
        """Whether people see the frames as they arrive."""
        return self.kind in ("rtsp", "stream", "screen", "web")


@dataclass(frozen=True, slots=True)
class BackpressureSpec:
    policy: Literal["auto", "every_frame", "latest", "bounded_age"] = "auto"
    max_age: float | None = None
    buffer: int = 4  # frames


@dataclass(frozen=True, slots=True)
class Limits:
    frames: int | None = None
    duration: float | None = None  # of source time


@dataclass(frozen=True, slots=True)
class ExpectSpec:
    window: float = 60.0  # of the run that is judged while it runs
    checks: tuple[Expectation, ...] = ()  # the other keys


@dataclass(frozen=True, slots=True)
class GoldenSpec:
    folder: str
    every: int = 10  # frames, from one picture to the next; 0: no pictures
    psnr: float = 45.0  # dB, at least
    exact: bool = False


@dataclass(frozen=True, slots=True)
class MetricsSpec:
    address: str
    hosts: tuple[str, ...] = ()  # more names by which it answers on a loopback address


@dataclass(frozen=True, slots=True)
class TracesSpec:
    endpoint: str
    sample: float = 0.1  # fraction of the frames


@dataclass(frozen=True, slots=True)
class Flow:
    name: str
    source: SourceSpec
    transport: TransportSpec
    sinks: tuple[SinkSpec, ...]
    version: Literal[1] = 1
    preprocess: tuple[HookSpec, ...] = ()
    postprocess: tuple[HookSpec, ...] = ()
    backpressure: BackpressureSpec = BackpressureSpec()
    limits: Limits = Limits()
    expect: ExpectSpec = ExpectSpec()
    golden: GoldenSpec | None = None
    metrics: MetricsSpec | None = None
    traces: TracesSpec | None = None

    @property
    def copies_sound(self) -> bool:
        """Whether a sink copies the sound of the source."""
        return any(spec.audio == "copy" for spec in self.sinks)

    @property
    def sinks_by_key(self) -> dict[str, SinkSpec]:
        """The sinks by their keys in the flow: `sink`, or `sink[0]`, `sink[1]`, …"""
        if len(self.sinks) == 1:
            return {"sink": self.sinks[0]}
        return {f"sink[{number}]": spec for number, spec in enumerate(self.sinks)}
