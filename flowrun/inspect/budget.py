"""What a flow costs: network, requests in flight, memory and cores, foreseen without running it.

Pure functions over the flow and, if there are any, the figures of an earlier run. The constants are
rough figures of one x86 machine; `measured` replaces them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from math import ceil
from typing import Any

from flowrun.spec.flow import Flow, HookSpec, SinkSpec
from flowrun.spec.units import size as parsed_size
from flowrun.system.usage import cores, machine_memory

DEFAULT_SIZE, DEFAULT_FPS = (1920, 1080), 30.0
LINK = 1000.0  # Mbit/s: a gigabit network
BASE_MEMORY = 80e6  # bytes: Python and its libraries
FETCH_MEMORY = 45e6  # bytes: the ffmpeg process that fetches a stream
ENCODER_MEMORY, ENCODER_PIXEL = 28e6, 247.0  # bytes, and for each pixel: the look-ahead of x264
JPEG_SHARE = 1 / 30  # of the bytes of the picture
COMPRESSED = 0.1  # bits for a pixel of a camera's H.264
# Seconds of one core for a million pixels (decode, convert, encode) or for a megabyte (send).
DECODE, CONVERT, ENCODE, SEND, BASE_FRAME = 0.0016, 0.0009, 0.045, 0.0015, 0.003
FAST_PRESETS, FAST = ("ultrafast", "superfast", "veryfast", "faster"), 0.4  # of ENCODE
_BYTES = {"uint8": 1, "int8": 1, "uint16": 2, "int16": 2, "fp16": 2, "int32": 4, "fp32": 4} | {
    "fp64": 8
}
_LOCAL = ("localhost", "127.", "[::1]", "unix:")


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures of an earlier run of such a flow: width and height, frames per second of the
    source, CPU seconds for a captured frame, the round trip of a request in seconds, and the memory
    of the process in bytes; `None` if unknown."""

    picture: tuple[int, int] | None = None
    fps: float | None = None
    cpu_per_frame: float | None = None
    round_trip: float | None = None
    memory: float | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """The costs of one flow. Rates are Mbit/s, memory is in bytes. `window` is how many requests
    may be in flight, `in_flight` how many are (Little's law), `None` without a measured round trip;
    `round_trip_ms` is the measured one, or the longest with which `window` keeps up. `notes` say
    what was assumed or cannot be foreseen."""

    flow: str
    width: int
    height: int
    fps: float
    source: str
    source_mbits: float
    servers: tuple[str, ...]
    to_server_mbits: float
    from_server_mbits: float
    remote: bool
    window: int
    in_flight: float | None
    round_trip_ms: float
    memory_bytes: int
    cores: float
    measured: bool
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Machine:
    cores: int
    memory_bytes: int | None

    @classmethod
    def this(cls) -> Machine:
        return cls(cores(), machine_memory())


def measured(summary: Mapping[str, Any]) -> Measured:
    """The figures in the JSON of a summary."""
    captured, period = summary["captured"], summary.get("period_ms")
    trip, picture = summary["latency_ms"].get("transport", {}).get("p50"), summary.get("picture")
    cpu = summary.get("cpu_s")
    return Measured(
        (int(picture[0]), int(picture[1])) if picture else None,
        1000 / period if period else None,
        cpu / captured if cpu and captured else None,
        trip / 1000 if trip else None,
        summary.get("memory_bytes"),
    )


def budget(flow: Flow, figures: Measured = Measured()) -> Budget:
    """What `flow` costs while its source plays in real time."""
    notes: list[str] = []
    (width, height), fps = _video(flow, figures, notes)
    pixels = width * height
    sent, returned = _request_bytes(flow, (width, height), notes), 0.0
    if _returns_pictures(flow):
        returned = sent / JPEG_SHARE if flow.transport.encoding == "jpeg" else sent
    elif not flow.postprocess:
        notes.append("the size of the responses is unknown without a run")
    own = [hook.name for hook in (*flow.preprocess, *flow.postprocess) if not hook.is_brought]
    if own:
        notes.append(f"the cost of hooks of your own cannot be foreseen: {', '.join(own)}")
    transport = flow.transport
    window = transport.in_flight if isinstance(transport.in_flight, int) else 16
    trip = figures.round_trip
    held = window if trip is None else min(window, max(1, ceil(fps * trip)))
    shared = transport.shared_memory is not None
    to_mbits = 0.0 if shared else sent * 8 * fps / 1e6
    from_mbits = 0.0 if shared else returned * 8 * fps / 1e6
    per_frame = figures.cpu_per_frame
    if per_frame is None:
        notes.append("memory and cores are rough figures: run the flow with --summary FILE, then")
        notes[-1] += " --from FILE"
        per_frame = _cpu(flow, pixels / 1e6, (sent + returned) / 1e6)
    if transport.embedded:
        notes.append("the model runs on this machine, too: only a run shows what it takes")
    return Budget(
        flow.name,
        width,
        height,
        round(fps, 2),
        flow.source.kind,
        round(_source_mbits(flow, pixels, fps), 1),
        transport.address,
        round(to_mbits, 1),
        round(from_mbits, 1),
        not transport.embedded and not all(each.startswith(_LOCAL) for each in transport.address),
        window,
        None if trip is None else round(fps * trip, 1),
        round((window / fps if trip is None else trip) * 1000, 1),
        round(_memory(flow, pixels, sent + returned, held, figures.memory)),
        round(per_frame * fps, 3),
        figures.cpu_per_frame is not None,
        tuple(notes),
    )


def total(budgets: Sequence[Budget]) -> Budget:
    """The sum of several, as a flow named `total`."""
    known = [each.in_flight for each in budgets if each.in_flight is not None]
    return replace(
        budgets[0],
        flow="total",
        source_mbits=round(sum(each.source_mbits for each in budgets), 1),
        servers=tuple(dict.fromkeys(name for each in budgets for name in each.servers)),
        to_server_mbits=round(sum(each.to_server_mbits for each in budgets), 1),
        from_server_mbits=round(sum(each.from_server_mbits for each in budgets), 1),
        remote=any(each.remote for each in budgets),
        window=sum(each.window for each in budgets),
        in_flight=round(sum(known), 1) if len(known) == len(budgets) else None,
        memory_bytes=sum(each.memory_bytes for each in budgets),
        cores=round(sum(each.cores for each in budgets), 3),
        measured=all(each.measured for each in budgets),
        notes=(),
    )


def by_server(budgets: Sequence[Budget]) -> dict[str, dict[str, float]]:
    """For each address of a model server what all flows send to it and receive from it in Mbit/s,
    and how many requests they may have in flight there. Several addresses of a flow share."""
    found: dict[str, dict[str, float]] = {}
    for each in budgets:
        for address in each.servers:
            server = found.setdefault(address, dict.fromkeys(("to", "from", "window"), 0.0))
            for name, value in (
                ("to", each.to_server_mbits),
                ("from", each.from_server_mbits),
                ("window", each.window),
            ):
                server[name] = round(server[name] + value / len(each.servers), 1)
    return found


def carries(each: Budget, machine: Machine) -> dict[str, float]:
    """By resource, how many flows such as `each` the machine carries; the first gives out first."""
    found = {"cores": machine.cores / max(each.cores, 1e-6)}
    if machine.memory_bytes is not None:
        found["memory"] = machine.memory_bytes / each.memory_bytes
    traffic = {
        "a gigabit link, outwards": each.to_server_mbits * each.remote,
        "a gigabit link, inwards": each.from_server_mbits * each.remote
        + each.source_mbits * (each.source in ("rtsp", "stream", "http")),
    }
    found |= {name: LINK / mbits for name, mbits in traffic.items() if mbits}
    return dict(sorted(found.items(), key=lambda item: item[1]))


def to_json(budgets: Sequence[Budget], machine: Machine) -> dict[str, Any]:
    """`{"flows": […], "total": {…}, "servers": {…}, "machine": {…}}`, each with what it has."""
    listed = [{**asdict(each), "carries": carries(each, machine)} for each in budgets]
    return {
        "flows": listed,
        "total": asdict(total(budgets)) if budgets else None,
        "servers": by_server(budgets),
        "machine": asdict(machine),
    }


def _video(flow: Flow, figures: Measured, notes: list[str]) -> tuple[tuple[int, int], float]:
    """The size and the rate of the source: as the flow says, as measured, or assumed."""
    size, fps = flow.source.size, flow.source.fps
    if flow.source.kind == "test":
        written, _, rate = flow.source.uri.partition(":")[2].partition("@")
        size = size or parsed_size(written or "1280x720")
        fps = fps or float(rate or 30)
    if flow.source.poll:
        fps = fps or 1 / flow.source.poll
    size, fps = size or figures.picture, fps or figures.fps
    unknown = []
    if size is None:
        unknown.append("1920x1080")
    if fps is None:
        unknown.append("30 fps")
    if unknown:
        notes.append(f"{' at '.join(unknown)} is assumed: give source.size and source.fps")
    return size or DEFAULT_SIZE, fps or DEFAULT_FPS


def _request_bytes(flow: Flow, size: tuple[int, int], notes: list[str]) -> float:
    """The bytes of a request: the picture after the hooks that flowrun brings."""
    dtype, (width, height) = flow.transport.dtype, size
    for hook in flow.preprocess:
        width, height = _resized(hook, (width, height))
        if hook.name == "to_tensor":
            dtype = hook.with_.get("dtype", "fp32")
    values = width * height * 3
    if flow.transport.encoding == "jpeg":
        notes.append("a JPEG is taken for a thirtieth of its picture")
        return values * JPEG_SHARE
    return float(values * _BYTES.get(str(dtype), 1))


def _resized(hook: HookSpec, size: tuple[int, int]) -> tuple[int, int]:
    if hook.name in ("resize", "letterbox") and "size" in hook.with_:
        value = hook.with_["size"]
        with suppress(ValueError):  # the check of the hook reports it
            return parsed_size("x".join(map(str, value)) if isinstance(value, list) else value)
    if hook.name == "align":
        width, height = (int(hook.with_.get(*each)) for each in (("width", 16), ("height", 1)))
        return ceil(size[0] / width) * width, ceil(size[1] / height) * height
    return size


def _returns_pictures(flow: Flow) -> bool:
    """Whether the model probably returns a picture of the size that it gets."""
    if flow.postprocess:
        return any(hook.name == "picture" for hook in flow.postprocess)
    return any(not sink.writes_lines for sink in flow.sinks)


def _encoders(flow: Flow) -> list[SinkSpec]:
    """The sinks that encode video."""
    return [sink for sink in flow.sinks if sink.kind in ("video", "hls", "rtsp", "stream")]


def _source_mbits(flow: Flow, pixels: int, fps: float) -> float:
    return 0.0 if flow.source.kind in ("test", "camera") else pixels * COMPRESSED * fps / 1e6


def _memory(flow: Flow, pixels: int, message: float, held: int, process: float | None) -> float:
    """The processes of the run; `process` is what was measured of its own. Held are pictures in the
    buffer and in flight, those in flight with request and response."""
    buffer = flow.backpressure.buffer * (1 + (len(flow.sinks) > 1) * len(flow.sinks))
    if process is None:
        frames = (buffer + held + 2) * pixels * 1.5 + (held + 2) * (pixels * 3 + 2 * message)
        process = BASE_MEMORY + frames
    fetched = flow.source.kind not in ("test", "file")
    encoder = ENCODER_MEMORY + ENCODER_PIXEL * pixels
    return process + fetched * FETCH_MEMORY + len(_encoders(flow)) * encoder


def _cpu(flow: Flow, megapixels: float, megabytes: float) -> float:
    """Seconds of one core for a frame."""
    decoded = flow.source.kind != "test"
    encoded = sum(FAST if sink.preset in FAST_PRESETS else 1 for sink in _encoders(flow))
    stages = decoded * DECODE + CONVERT + encoded * ENCODE
    return BASE_FRAME + megapixels * stages + megabytes * SEND
