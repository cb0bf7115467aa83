"""Flags that override one key: shown as the user typed them, and careful with the sink's keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flowrun.spec.flow import SinkSpec
from flowrun.spec.flow_text import Flag
from flowrun.spec.load import load as load_flow
from flowrun.spec.problems import Remark
from flowrun.spec.schema import schema

OUT = "out.mp4"

EXPECTED_SINKS = schema()["$defs"]["sink_uri"]["errorMessage"]


def sink(text: str) -> str:
    return text.replace("sink: null", "sink: {uri: old.mp4, overwrite: true, quality: 20}")


def test_a_flag_sets_one_key(load: Any, base: str) -> None:
    flow = load(base, [Flag("--grpc-address", "transport.address", "gpu:9000")])
    assert flow.transport.address == ("gpu:9000",)


def test_the_source_keeps_its_other_keys(load: Any, base: str) -> None:
    flag = Flag("--input-stream", "source.uri", "0")
    assert load(base, [flag]).source.uri == "camera:0"
    source = load(base.replace("test", "{uri: test, size: 640x480}"), [flag]).source
    assert (source.uri, source.size) == ("camera:0", (640, 480))
    without = "".join(base.splitlines(keepends=True)[1:])
    assert load(without, [flag]).source.uri == "camera:0"


@pytest.mark.parametrize("old", ["null", "old.mp4", "[a.mp4, b.mp4]", "{uri: null}", "screen"])
def test_the_sink_is_replaced(load: Any, base: str, old: str) -> None:
    text = base.replace("sink: null", f"sink: {old}")
    assert load(text, [Flag("--output-stream", "sink.uri", OUT)]).sinks == (SinkSpec(OUT),)


def test_a_sink_of_the_same_kind_keeps_its_other_keys(load: Any, base: str) -> None:
    flow = load(sink(base), [Flag("--output-stream", "sink.uri", OUT)])
    assert flow.sinks == (SinkSpec(OUT, overwrite=True, quality=20.0),)
    text = sink(base).replace("old.mp4", "'${OLD}'")
    flow = load(text, [Flag("--output-stream", "sink.uri", OUT)], {"OLD": "x.mkv"})
    assert flow.sinks == (SinkSpec(OUT, overwrite=True, quality=20.0),)


@pytest.mark.parametrize("new", ["null", "screen", "[screen, null]"])
def test_a_sink_of_another_kind_replaces_them(load: Any, base: str, new: str) -> None:
    flow = load(sink(base), [Flag("--output-stream", "sink.uri", new)])
    names = new.strip("[]").split(", ")
    assert flow.sinks == tuple(SinkSpec(name) for name in names)


def test_a_problem_names_the_flag_as_it_was_typed(complain: Any, base: str) -> None:
    flags = ["name=ok", Flag("--limit_frames", "limits.frames", "ten")]
    assert complain(base, flags) == [
        "--limit_frames:1:16: error: `limits.frames` is 'ten', expected an integer of at least 1\n"
        "    --limit_frames ten\n"
        "                   ^"
    ]


def test_a_variable_in_a_flag_is_replaced_or_reported_as_unset(
    load: Any, complain: Any, base: str
) -> None:
    flag = Flag("--model-name", "transport.model", "${NAME}")
    assert load(base, [flag], {"NAME": "m2"}).transport.model == "m2"
    assert complain(base, [flag]) == [
        "--model-name:1:14: error: the environment variable `NAME` is not set\n"
        "    --model-name ${NAME}\n"
        "                 ^\n"
        "    set it, read it with `--env-file`, or give it a default: `${NAME:-…}`"
    ]


def test_a_secret_in_a_flag_is_not_shown(complain: Any, base: str) -> None:
    [problem] = complain(base, [Flag("--output-stream", "sink.uri", "amqp://u:hunter2@h/p")])
    assert problem.startswith("--output-stream:1:")
    assert "hunter2" not in problem


@pytest.mark.parametrize("source", ["test", "{uri: test, size: 640x480}"])
def test_a_problem_of_a_source_is_shown_at_the_flag_that_gave_it(
    base: str, source: str, tmp_path: Path
) -> None:
    path = tmp_path / "flow.yaml"
    path.write_text(base.replace("test", source))
    loaded = load_flow(path, overrides=[Flag("--input-stream", "source.uri", "gone.mp4")])
    assert str(loaded.problem(Remark("source", "there is no file gone.mp4"))) == (
        "--input-stream:1:16: error: source: there is no file gone.mp4\n"
        "    --input-stream gone.mp4\n"
        "                   ^"
    )
    assert loaded.problem(Remark("transport.model", "no such model")).path == str(path)


@pytest.mark.parametrize(
    ("old", "sinks"),
    [
        ("null", ["null", "web"]),
        ("out.mp4", ["out.mp4", "web"]),
        ("[out.mp4, screen]", ["out.mp4", "screen", "web"]),
        ("web", ["web"]),
        ("'web:127.0.0.1:99'", ["web:127.0.0.1:99"]),
        ("[web, out.mp4]", ["web", "out.mp4"]),
    ],
)
def test_a_page_is_added_to_the_other_sinks_once(
    load: Any, base: str, old: str, sinks: list[str]
) -> None:
    flow = load(base.replace("sink: null", f"sink: {old}"), [Flag("--web", "sink", "", "web")])
    assert [sink.uri for sink in flow.sinks] == sinks


@pytest.mark.parametrize("old", ["web", "[web]", "[{uri: 'web:127.0.0.1:99'}]"])
def test_a_page_that_the_flow_has_already_gets_the_address_of_the_flag(
    load: Any, base: str, old: str
) -> None:
    page = Flag("--web", "sink", "127.0.0.1:8081", "web")
    text = base.replace("sink: null", f"sink: {old}")
    assert load(text, [page]).sinks == (SinkSpec("web:127.0.0.1:8081"),)


def test_a_page_may_be_the_only_sink_of_a_flow(load: Any, base: str) -> None:
    page = Flag("--web", "sink", "", "web")
    assert load(base.replace("sink: null\n", ""), [page]).sinks == (SinkSpec("web"),)


def test_a_page_and_an_output_of_the_command_line_are_both_sinks(load: Any, base: str) -> None:
    page, output = Flag("--web", "sink", "", "web"), Flag("--output-stream", "sink.uri", OUT)
    assert load(base, [output, page]).sinks == (SinkSpec(OUT), SinkSpec("web"))


def test_an_invalid_address_for_the_page_is_shown_as_typed(complain: Any, base: str) -> None:
    assert complain(base, [Flag("--web", "sink", "8080", "web")]) == [
        f"--web:1:7: error: `sink[1]` is 'web:8080', {EXPECTED_SINKS}\n    --web 8080\n          ^"
        "\n    did you mean `web:127.0.0.1:8080`?"
    ]


@pytest.mark.parametrize(("value", "column"), [("127.0.0.1:80", 7), ("", 1)])
def test_a_page_that_cannot_be_served_is_shown_at_its_flag(
    base: str, tmp_path: Path, value: str, column: int
) -> None:
    path = tmp_path / "flow.yaml"
    path.write_text(base)
    loaded = load_flow(path, overrides=["name=a", Flag("--web", "sink", value, "web")])
    problem = loaded.problem(Remark("sink[1]", "cannot listen"))
    assert (problem.path, problem.line, problem.column) == ("--web", 1, column)
    assert problem.text == f"--web {value}".rstrip()
