"""Build a `Flow` from a mapping that is valid by the schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flowrun.spec.expectations import expectations
from flowrun.spec.flow import (
    LIBRARY,
    BackpressureSpec,
    ExpectSpec,
    Flow,
    GoldenSpec,
    HookSpec,
    Keep,
    Limits,
    MetricsSpec,
    Reconnect,
    SinkSpec,
    SourceSpec,
    Tls,
    TracesSpec,
    TransportSpec,
)
from flowrun.spec.units import amount, duration, is_amount, size

Data = Mapping[str, Any]


def build(data: Data, *, name: str, folders: tuple[str, ...] = ()) -> Flow:
    """The flow of `data`, which is valid by the schema; `name` is used if it has none. `folders`
    are those of its files."""
    sinks = data["sink"] if isinstance(data["sink"], list) else [data["sink"]]
    golden, metrics, traces = (data.get(key) for key in ("golden", "metrics", "traces"))
    return Flow(
        name=data.get("name", name),
        source=_source(data["source"]),
        preprocess=tuple(_hook(each, folders) for each in data.get("preprocess", ())),
        transport=_transport(data["transport"], folders),
        postprocess=tuple(_hook(each, folders) for each in data.get("postprocess", ())),
        sinks=tuple(map(_sink, sinks)),
        backpressure=_backpressure(data.get("backpressure", {})),
        limits=Limits(**_fields(data.get("limits", {}), frames=int, duration=duration)),
        expect=_expect(data.get("expect", {})),
        golden=None if golden is None else _golden(golden),
        metrics=None if metrics is None else _metrics(metrics),
        traces=None if traces is None else _traces(traces),
    )


def _source(value: Any) -> SourceSpec:
    long = _long(value, "uri")
    uri = str(long["uri"])
    return SourceSpec(
        **_fields(
            {**long, "uri": f"camera:{uri}" if uri.isdigit() else _url(uri)},
            size=size,
            fps=float,
            open_timeout=duration,
            read_timeout=duration,
            poll=duration,
            reconnect=_reconnect,
        )
    )


def _hook(value: Any, folders: tuple[str, ...]) -> HookSpec:
    fields = dict(_long(value, "hook"))
    name = fields["hook"]
    fields["hook"] = name if ":" in name else f"{LIBRARY}.{name}:{name}"
    return HookSpec(with_=fields.pop("with", {}), folders=folders, **fields)


def _transport(data: Data, folders: tuple[str, ...]) -> TransportSpec:
    return TransportSpec(
        folders=folders,
        **_fields(
            data,
            address=lambda value: tuple(value) if isinstance(value, list) else (value,),
            version=str,
            outputs=tuple,
            in_flight=lambda value: value if value == "auto" else int(value),
            timeout=duration,
            first_timeout=duration,
            tls=lambda value: Tls(**value),
        ),
    )


def _sink(value: Any) -> SinkSpec:
    long = _long(value, "uri")
    return SinkSpec(
        **_fields(
            {**long, "uri": "null" if long["uri"] is None else _url(long["uri"])},
            bitrate=str,
            quality=float,
            fps=float,
            segment=duration,
            keep=_keep,
            hosts=tuple,
            tls=lambda value: Tls(**value),
            reconnect=_reconnect,
        )
    )


def _keep(value: Any) -> Keep:
    return Keep(bytes=amount(value)) if is_amount(value) else Keep(seconds=duration(value))


def _url(uri: str) -> str:
    """`uri` with its scheme in lower case, as ffmpeg requires."""
    scheme, separator, rest = uri.partition("://")
    return f"{scheme.lower()}{separator}{rest}" if separator else uri


def _backpressure(value: Any) -> BackpressureSpec:
    return BackpressureSpec(**_fields(_long(value, "policy"), max_age=duration, buffer=int))


def _expect(data: Data) -> ExpectSpec:
    window = {"window": data["window"]} if "window" in data else {}
    return ExpectSpec(**_fields(window, window=duration), checks=expectations(data))


def _golden(value: Any) -> GoldenSpec:
    return GoldenSpec(**_fields(_long(value, "folder"), every=int, psnr=float))


def _metrics(value: Any) -> MetricsSpec:
    return MetricsSpec(**_fields(_long(value, "address"), hosts=tuple))


def _traces(value: Any) -> TracesSpec:
    return TracesSpec(**_fields(_long(value, "endpoint"), sample=float))


def _reconnect(data: Data) -> Reconnect:
    names = ("initial", "maximum", "healthy_after", "give_up_after")
    return Reconnect(**_fields(data, **dict.fromkeys(names, duration)))


def _long(value: Any, short: str) -> Data:
    """The long form of a value; a short form is the value of the key `short`."""
    return value if isinstance(value, dict) else {short: value}


def _fields(data: Data, **convert: Callable[[Any], Any]) -> dict[str, Any]:
    """The values of `data`, converted by the functions in `convert`; null stays null."""
    return {
        key: convert[key](value) if key in convert and value is not None else value
        for key, value in data.items()
    }
