from __future__ import annotations

from typing import Any

import pytest

from flowrun.spec.flow import HookSpec, SinkSpec


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("limits.frames=10", "limits.frames", 10),
        ("limits.duration=5", "limits.duration", 5.0),
        ("limits.duration=500ms", "limits.duration", 0.5),
        ("source=0", "source.uri", "camera:0"),
        ("source=test:640x480@30", "source.uri", "test:640x480@30"),
        ("source.size=640x480", "source.size", (640, 480)),
        ("name=5", "name", "5"),
        ("name='quoted # text'", "name", "quoted # text"),
        ("name=a: b # c", "name", "a: b # c"),
        ("name=@x", "name", "@x"),
        ("transport.address=[a:1, b:2]", "transport.address", ("a:1", "b:2")),
        ("transport.address=[::1]:9000", "transport.address", ("[::1]:9000",)),
        ("transport.address=${A:-x:1}", "transport.address", ("x:1",)),
        ("transport.version=7", "transport.version", "7"),
        ("transport.headers.x-a=b=c", "transport.headers", {"x-a": "b=c"}),
        ("transport.parameters={a: 1}", "transport.parameters", {"a": 1}),
        ("transport.tls.ca=ca.pem", "transport.tls.ca", "ca.pem"),
        ("backpressure.buffer=7", "backpressure.buffer", 7),
        ("sink=null", "sinks", (SinkSpec("null"),)),
        ("sink=[screen, a.mp4]", "sinks", (SinkSpec("screen"), SinkSpec("a.mp4"))),
        ("sink.overwrite=true", "sinks", (SinkSpec("out.mp4", overwrite=True),)),
        ("preprocess.0.on_error=drop", "preprocess", (HookSpec("a:b", {}, "drop"),)),
        ("preprocess.0.with.x=1.5", "preprocess", (HookSpec("a:b", {"x": 1.5}),)),
        ("preprocess.0=c:d", "preprocess", (HookSpec("c:d"),)),
        ("preprocess=[]", "preprocess", ()),
        ("preprocess[0].with.x=1.5", "preprocess", (HookSpec("a:b", {"x": 1.5}),)),
        ("preprocess[0]=c:d", "preprocess", (HookSpec("c:d"),)),
    ],
)
def test_an_override_sets_one_key(
    load: Any, base: str, override: str, path: str, value: object
) -> None:
    found = load(base.replace("null", "out.mp4") + "preprocess: [a:b]\n", [override])
    for name in path.split("."):
        found = getattr(found, name)
    assert found == value


def test_the_last_override_wins_and_a_part_keeps_the_rest(load: Any, base: str) -> None:
    flow = load(base, ["sink=a.mp4", "sink.overwrite=true", "sink.uri=b.mkv", "sink.quality=20"])
    assert flow.sinks == (SinkSpec("b.mkv", overwrite=True, quality=20.0),)


@pytest.mark.parametrize("key", ["sink[1].overwrite", "sink.1.overwrite"])
def test_a_sink_of_a_list_has_the_name_that_logs_use(load: Any, base: str, key: str) -> None:
    flow = load(base.replace("null", "[a.mp4, b.mp4]"), [f"{key}=true"])
    assert flow.sinks == (SinkSpec("a.mp4"), SinkSpec("b.mp4", overwrite=True))


def test_an_override_may_replace_an_invalid_value_of_the_file(load: Any, base: str) -> None:
    flow = load(
        base.replace("test", "${MISSING}") + "limits: {frames: x}\n",
        ["source=test", "limits.frames=1"],
    )
    assert (flow.source.uri, flow.limits.frames) == ("test", 1)


FORM = "write KEY=VALUE, such as `limits.frames=10` or `preprocess.0.on_error=drop`"


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("", f"--set:1:1: error: an empty text is not an override\n    {FORM}"),
        ("x", f"--set:1:1: error: `x` is not an override\n    x\n    ^\n    {FORM}"),
        ("a..b=1", f"--set:1:1: error: `a..b` is not an override\n    a..b=1\n    ^\n    {FORM}"),
        (
            "limit.frames=10",
            "--set:1:1: error: unknown key `limit`\n    limit.frames=10\n    ^\n"
            "    did you mean `limits`?",
        ),
        (
            "limits.frames=ten",
            "--set:1:15: error: `limits.frames` is 'ten', expected an integer of at least 1\n"
            "    limits.frames=ten\n                  ^",
        ),
        (
            "transport.mode.x=1",
            "--set:1:1: error: `transport.mode` has no keys\n    transport.mode.x=1\n    ^",
        ),
        (
            "preprocess.1.on_error=drop",
            "--set:1:1: error: `preprocess` has 1 item\n    preprocess.1.on_error=drop\n    ^\n"
            "    the index of the first item is 0",
        ),
        (
            "preprocess.on_error=drop",
            "--set:1:1: error: `preprocess` is a list\n    preprocess.on_error=drop\n    ^\n"
            "    give the index of an item: `preprocess.0.on_error`",
        ),
        (
            "postprocess.0=a:b",
            "--set:1:1: error: `postprocess` has no items\n    postprocess.0=a:b\n    ^",
        ),
        (
            "sink.0.overwrite=true",
            "--set:1:1: error: `sink` is not a list here\n    sink.0.overwrite=true\n    ^\n"
            "    remove the index",
        ),
        (
            "preprocess[1].on_error=drop",
            "--set:1:1: error: `preprocess` has 1 item\n    preprocess[1].on_error=drop\n    ^\n"
            "    the index of the first item is 0",
        ),
        (
            "[0].uri=test",
            f"--set:1:1: error: `[0].uri` is not an override\n    [0].uri=test\n    ^\n    {FORM}",
        ),
        (
            "sink=[a.mp4, {uri: b.mp4, x: 1}]",
            "--set:1:27: error: unknown key `sink[1].x`\n    sink=[a.mp4, {uri: b.mp4, x: 1}]\n"
            "                              ^\n    known keys: `uri`, `encoder`, `codec`, `preset`, "
            "`bitrate`, `quality`, `fps`, `timing`, `overwrite`, `segment`, `keep`, `audio`, "
            "`ffmpeg`, `when`, `batch`, `headers`, `tls`, `token`, `hosts`, `reconnect`",
        ),
        (
            "source={uri: test, uri: test}",
            "--set:1:20: error: duplicate key `uri`\n"
            "    source={uri: test, uri: test}\n                       ^\n"
            "    first defined in line 1",
        ),
        (
            "source={uri: [}",
            "--set:1:15: error: a value cannot start with `}`\n    source={uri: [}\n"
            "                  ^\n    put it in quotes",
        ),
        (
            "name=${GONE}",
            "--set:1:6: error: the environment variable `GONE` is not set\n    name=${GONE}\n"
            "         ^\n    set it, read it with `--env-file`, or give it a default: `${GONE:-…}`",
        ),
    ],
)
def test_an_invalid_override_is_reported(
    complain: Any, base: str, override: str, problem: str
) -> None:
    assert complain(f"{base}preprocess: [a:b]\n", [override]) == [problem]


def test_problems_of_overrides_come_after_those_of_the_file(complain: Any, base: str) -> None:
    problems = complain(f"{base}x: 1\n", ["y=1", "limits.frames=0"])
    assert [problem.partition(" ")[0] for problem in problems] == [
        "flow.yaml:4:1:",
        "--set:1:1:",
        "--set:2:15:",
    ]


def test_a_secret_in_an_override_is_not_shown(complain: Any, base: str) -> None:
    overrides = ["transport.headers.X-Key=hunter2", "sink=amqp://u:hunter2@h/p"]
    problems = complain(base, overrides)
    assert len(problems) == 2
    assert "hunter2" not in "\n".join(problems)
