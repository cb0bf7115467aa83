"""Load text as a `Flow`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flowrun.spec.flow import (
    BackpressureSpec,
    Flow,
    HookSpec,
    Limits,
    SinkSpec,
    SourceSpec,
    Tls,
    TransportSpec,
)
from flowrun.spec.load import load_flow


def test_the_smallest_flow_has_the_defaults_and_the_name_of_its_file(load: Any, base: str) -> None:
    assert load(base) == Flow(
        name="flow",
        source=SourceSpec("test"),
        transport=TransportSpec("unary", ("localhost:9000",), "m"),
        sinks=(SinkSpec("null"),),
    )


def test_every_key_is_loaded(load: Any) -> None:
    flow = load("""
version: 1
name: everything
source: {uri: in.mp4, size: 640x361, fps: 25, color: bgr, open_timeout: 500ms, read_timeout: 2m}
preprocess:
  - a.b:c
  - {hook: "a:B.c", with: {size: 3, deep: [{x: on}, 0o17]}, on_error: drop}
transport:
  mode: unary
  address: [one:1, "[::1]:65535"]
  model: m
  version: 3
  input: i
  output: o
  correlation: id
  dtype: fp32
  layout: CHW
  batch: true
  in_flight: 256
  timeout: 1.5
  on_error: passthrough
  tls: {ca: ca.pem, cert: c.pem, key: k.pem}
  headers: {authorization: Bearer x}
  parameters: {a: 1, b: 1.5, c: true, d: text}
postprocess: [d:e]
sink:
  - {uri: out.mkv, codec: libx264, preset: fast, bitrate: 4M, overwrite: true}
  - uri: rtsp://h/p
    quality: 20
  - null
backpressure: {policy: latest, buffer: 9}
limits: {frames: 10, duration: 1h}
""")
    assert flow == Flow(
        name="everything",
        source=SourceSpec("in.mp4", (640, 361), 25.0, "bgr", open_timeout=0.5, read_timeout=120.0),
        preprocess=(
            HookSpec("a.b:c"),
            HookSpec("a:B.c", {"size": 3, "deep": [{"x": "on"}, 15]}, "drop"),
        ),
        transport=TransportSpec(
            mode="unary",
            address=("one:1", "[::1]:65535"),
            model="m",
            version="3",
            input="i",
            output="o",
            correlation="id",
            dtype="fp32",
            layout="CHW",
            batch=True,
            in_flight=256,
            timeout=1.5,
            on_error="passthrough",
            tls=Tls("ca.pem", "c.pem", "k.pem"),
            headers={"authorization": "Bearer x"},
            parameters={"a": 1, "b": 1.5, "c": True, "d": "text"},
        ),
        postprocess=(HookSpec("d:e"),),
        sinks=(
            SinkSpec("out.mkv", codec="libx264", preset="fast", bitrate="4M", overwrite=True),
            SinkSpec("rtsp://h/p", quality=20.0),
            SinkSpec("null"),
        ),
        backpressure=BackpressureSpec("latest", buffer=9),
        limits=Limits(10, 3600.0),
    )


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("source: test", "source: {uri: test}"),
        ("source: 0", "source: {uri: camera:0}"),
        ("source: '0'", "source: {uri: 0}"),
        ("sink: null", "sink: {uri: null}"),
        ("sink: ~", "sink: 'null'"),
        ("sink: screen", "sink: [{uri: screen}]"),
        ("preprocess: [a:b]", "preprocess: [{hook: 'a:b', with: {}, on_error: fail}]"),
        ("backpressure: every_frame", "backpressure: {policy: every_frame}"),
    ],
)
def test_a_short_form_equals_its_long_form(load: Any, base: str, short: str, long: str) -> None:
    key = short.partition(":")[0]
    rest = "".join(line for line in base.splitlines(True) if not line.startswith(f"{key}:"))
    assert load(rest + short) == load(rest + long)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("1_000", "1_000"),
        ("010", 10),
        ("0x1F", 31),
        ("0b1", "0b1"),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("TRUE", True),
        ("tRUE", "tRUE"),
        ("~", None),
        ("", None),
        ("''", ""),
        ('"4"', "4"),
        ("!!str 4", "4"),
        ("|\n     a\n     b", "a\nb\n"),
        ("9" * 101, "9" * 101),
    ],
)
def test_scalars_are_those_of_yaml_1_2(load: Any, base: str, text: str, value: object) -> None:
    flow = load(f"{base}preprocess: \n- hook: a:b\n  with:\n    x: {text}\n")
    assert flow.preprocess[0].with_ == {"x": value}


def test_aliases_repeat_a_value(load: Any, base: str) -> None:
    flow = load(
        f"{base}preprocess: &hooks [{{hook: 'a:b', with: {{x: 1}}}}]\npostprocess: *hooks\n"
    )
    assert flow.postprocess == flow.preprocess == (HookSpec("a:b", {"x": 1}),)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_line_end_and_a_byte_order_mark_are_fine(load: Any, base: str, end: str) -> None:
    assert load(b"\xef\xbb\xbf" + base.replace("\n", end).encode()) == load(base)


@pytest.mark.parametrize(
    "line",
    [
        *("source: camera:/dev/video0", "source: rtsp://u:p@h/c", "source: https://h/v.m3u8"),
        *("sink: web", "sink: web:127.0.0.1:8080", "sink: rtsp://h/c", "sink: a.jsonl"),
        "sink: [screen, out.mp4, {uri: web}]",
    ],
)
def test_every_kind_has_a_short_form(load: Any, base: str, line: str) -> None:
    key = line.partition(":")[0]
    load("".join(each for each in base.splitlines(True) if not each.startswith(key)) + line)


def test_header_values_are_not_part_of_a_flows_repr(load: Any, base: str) -> None:
    flow = load(base.replace("model: m", "model: m, headers: {authorization: hunter2}"))
    assert flow.transport.headers == {"authorization": "hunter2"}
    assert "hunter2" not in repr(flow)


def test_the_name_of_a_file_as_the_name_of_the_flow_has_no_control_characters(
    tmp_path: Path, base: str
) -> None:
    path = tmp_path / "a\u202eb.yaml"
    path.write_text(base)
    assert load_flow(path).name == "a\\u202eb"
