"""Flags become overrides, the demo client's in both spellings, in the order typed."""

from __future__ import annotations

import argparse

import pytest

from flowrun.cli.override_flags import add_overrides, complete_bare_web
from flowrun.spec.flow_text import Flag, Override


def parse(*arguments: str) -> list[Override]:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_overrides(parser)
    return list(parser.parse_args(complete_bare_web(arguments)).overrides)


@pytest.mark.parametrize(
    ("flag", "key"),
    [
        ("grpc-address", "transport.address"),
        ("input-stream", "source.uri"),
        ("output-stream", "sink.uri"),
        ("model-name", "transport.model"),
        ("input-name", "transport.input"),
        ("limit-stream-duration", "limits.duration"),
        ("limit-frames", "limits.frames"),
    ],
)
def test_every_flag_sets_its_key_in_both_spellings(flag: str, key: str) -> None:
    other = flag.replace("-", "_")
    assert parse(f"--{flag}", "7") == [Flag(f"--{flag}", key, "7")]
    assert parse(f"--{other}", "7") == [Flag(f"--{other}", key, "7")]
    assert parse(f"--{other}=7") == [Flag(f"--{other}", key, "7")]


def test_overrides_keep_the_order_in_which_they_were_typed() -> None:
    assert parse() == []
    assert parse("--set", "name=a", "--limit-frames", "5", "--set", "limits.frames=7") == [
        "name=a",
        Flag("--limit-frames", "limits.frames", "5"),
        "limits.frames=7",
    ]


def test_a_limit_of_0_is_none_as_with_the_demo_client() -> None:
    assert parse("--limit-frames", "0", "--limit_stream_duration", "0", "--input-stream", "0") == [
        Flag("--limit-frames", "limits.frames", "null"),
        Flag("--limit_stream_duration", "limits.duration", "null"),
        Flag("--input-stream", "source.uri", "0"),
    ]


def test_the_flags_have_a_group_of_their_own_in_the_help() -> None:
    parser = argparse.ArgumentParser()
    add_overrides(parser)
    _, _, group = parser.format_help().partition("the demo client's flags:\n")
    assert group.count("  --") == 7
    assert "--grpc-address HOST:PORT" in group
    assert "--model_name" not in group


@pytest.mark.parametrize(
    ("arguments", "address"),
    [
        (["--web"], ""),
        (["--web", "--set", "name=a"], ""),
        (["--web", "127.0.0.1:8081"], "127.0.0.1:8081"),
        (["--web", "[::1]:0"], "[::1]:0"),
        (["--web", "8081"], "8081"),
        (["--web=box:80"], "box:80"),
    ],
)
def test_a_page_may_have_an_address(arguments: list[str], address: str) -> None:
    assert parse(*arguments)[0] == Flag("--web", "sink", address, "web")


def test_a_page_without_an_address_leaves_the_flow_alone() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("flow")
    add_overrides(parser)
    for arguments in (
        ["--web", "flow.yaml"],
        ["--web", "a:1", "flow.yaml"],
        ["flow.yaml", "--web"],
    ):
        assert parser.parse_args(complete_bare_web(arguments)).flow == "flow.yaml"
