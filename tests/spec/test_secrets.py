"""Secrets are masked in everything that people read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.spec.secrets import is_secret, redact, secret_spans, secrets_of


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://user:pw@host/x", "rtsp://***@host/x"),
        ("rtsp://user@host", "rtsp://***@host"),
        ("rtsp://u:p@ss/w rd@host", "rtsp://***@host"),
        ("from rtsp://a/b to rtsp://u:p@c, d@e", "from rtsp://a/b to rtsp://***@e"),
        ("rtsp://u:a://b@host, http://c/d", "rtsp://***@host, http://c/d"),
        ("['rtsp://u:a@b/c', 'http://d:e@f']", "['rtsp://***@b/c', 'http://***@f']"),
        ("xrtsp://u:a@b\nrtsp://h/c@d", "xrtsp://***@b\nrtsp://***@d"),
        ("http://h/v?user=a&password=b&x=1", "http://h/v?user=a&password=***&x=1"),
        ("http://h/v?access_token=b#c", "http://h/v?access_token=***"),
        ("test:1280x720@30", "test:1280x720@30"),
        ("there is no file rtsp:/u:p/w@host/x", "there is no file rtsp:/***@host/x"),
        ("rtsp//u:p@host, http:u@host", "rtsp//***@host, http:***@host"),
        ("[rtsp @ 0x55] rtsp://h/x: refused", "[rtsp @ 0x55] rtsp://h/x: refused"),
        ("", ""),
    ],
)
def test_the_secrets_of_urls_are_hidden(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_known_secrets_are_hidden_the_longest_first() -> None:
    assert redact("a secret1 and secret12", ["secret1", "secret12", ""]) == "a *** and ***"


@given(st.text(), st.text(st.characters(exclude_characters="\n"), min_size=1))
def test_no_user_info_survives(before: str, password: str) -> None:
    text = redact(f"{before}rtsp://user:{password}XYZZY@host/path")
    assert "XYZZY" not in text
    assert text.endswith("@host/path")


@given(st.text(max_size=50))
def test_redacting_twice_changes_nothing(text: str) -> None:
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    ("path", "secret"),
    [
        (("transport", "headers", "x"), True),
        (("transport", "headers"), True),
        (("preprocess", 0, "with", "api_key"), True),
        (("preprocess", 0, "with", "db", "Password"), True),
        (("transport", "parameters", "auth-token"), True),
        (("source", "ffmpeg", "headers"), True),
        (("source", "ffmpeg", "cookies"), True),
        (("source", "ffmpeg", "user_agent"), False),
        (("transport", "on_error"), False),
        (("transport", "tls", "key"), False),  # a path
        (("preprocess", 0, "with", "bypass"), False),
        (("preprocess", 0, "with", "passthrough"), False),
    ],
)
def test_the_path_decides_whether_a_value_is_secret(
    path: tuple[str | int, ...], secret: bool
) -> None:
    assert is_secret(path) is secret


def test_the_secrets_of_a_flow_are_its_headers_and_the_user_info_of_its_urls(
    load: Any, base: str
) -> None:
    text = base.replace("source: test", "source: rtsp://me:p%40ss@h/x").replace(
        "sink: null", "sink: [rtsp://only@h/y, 'null']"
    )
    flow = load(text.replace("model: m", "model: m, headers: {a: h1, b: h2, c: ''}"))
    assert secrets_of(flow) == {"h1", "h2", "me:p%40ss", "p%40ss", "p@ss", "only"}


def test_the_headers_of_ffmpeg_are_secrets_of_a_flow(load: Any, base: str) -> None:
    own = '{uri: "http://h/x", ffmpeg: {headers: "authorization: Bearer abc", user_agent: me}}'
    flow = load(base.replace("source: test", f"source: {own}"))
    assert secrets_of(flow) == {"authorization: Bearer abc", "Bearer abc"}


@pytest.mark.parametrize(
    "text",
    [
        "transport:\n  headers:\n    authorization: Bearer hunter2: x\n",
        "transport:\n  headers: {a: hunter2: x}\n",
        "transport:\n  headers:\n    a:\n      >-\n      x\n      hunter2\n     @\n",
        'transport:\n  headers: {\n    "a": "hunter2",\n    "b": @hunter2\n  }\n',
        "transport:\n  headers:\n    a: @hunter2\n",
        "source: rtsp://u:hunter2@h: x\n",
        "source: {uri: rtsp://u:hunter2@h\n",
        "source: rtsp:/u:hunter2@h\n",
        "source: rtsp//u:hunter2@h\n",
        "preprocess:\n- hook: a:b\n  with: {password: @hunter2}\n",
        "transport:\n  headers:\n" + "\n" * 2000 + "    a: @hunter2\n",
        "transport: {headers: {a: [hunter2]}}\n",
        "transport:\n  headers:\n    a: |\n      hunter2\u00fc\n",
        "transport:\n  headers: hunter2\n",
        "transport:\n  headers: [hunter2]\n",
        "transport:\n  headers: {a: ${X:-hunter2}, b: ${Y}}\n",
        "transport:\n  headers:\n    a: ${NONE}hunter2\n",
        "preprocess:\n- hook: a:b\n  with:\n    token: hunter2\n  x: 1\n",
        "transport:\n  headers:\n    a: ${hunter2\n",
        "transport:\n  headers:\n    a: ${A:-${hunter2-}}\n",
        "transport:\n  headers:\n    a: *hunter2\n",
        "transport:\n  headers:\n    a: !hunter2 x\n",
        "rtsp://u:hunter2@h: x\n",
    ],
)
def test_no_error_shows_a_secret(complain: Any, text: str) -> None:
    problems = complain(text)
    assert problems
    assert "hunter2" not in "\n".join(problems)


def test_no_error_shows_a_secret_from_the_environment(complain: Any, base: str) -> None:
    text = base.replace("source: test", "source: {uri: '${URI}', fpx: 1}").replace(
        "model: m", "model: m, headers: {a: '${H}', B: '${H}'}"
    )
    environ = {"URI": "camera:\nrtsp://u:hunter2@h", "H": "hunter2\u00fc"}
    problems = complain(text.replace("sink: null", "sink: '${URI}'"), environ=environ)
    assert len(problems) == 5
    assert "hunter2" not in "\n".join(problems)


@given(st.text(st.sampled_from("a:/@= \"'?&token.-{}#"), max_size=200))
def test_spans_are_inside_the_line_ordered_and_disjoint(line: str) -> None:
    end = -1
    for start, stop in secret_spans(["headers:", line], 1):
        assert end < start < stop <= len(line)
        end = stop


def test_a_missing_variable_of_a_secret_is_named(complain: Any, base: str) -> None:
    text = base.replace("model: m", "model: m, headers: {a: '${TOKEN}'}")
    assert complain(text) == [
        "flow.yaml:2:77: error: the environment variable `TOKEN` is not set\n"
        "    transport: {mode: unary, address: 'localhost:9000', model: m, headers: ***\n"
        "                                                                           ^\n"
        "    set it, read it with `--env-file`, or give it a default: `${TOKEN:-…}`"
    ]
