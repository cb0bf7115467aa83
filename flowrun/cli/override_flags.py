"""The flags that override keys of the flow: --set, --web, those of the OVMS demo client."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any

from flowrun.spec.kinds import SinkKind

# Flag, key of the flow, metavar, help text: the flags of OpenVINO Model Server's demo client.
DEMO_CLIENT_FLAGS = (
    ("--grpc-address", "transport.address", "HOST:PORT", "the model server"),
    ("--input-stream", "source.uri", "URI", "where frames come from; a number is a camera"),
    (
        "--output-stream",
        "sink.uri",
        "URI",
        "where frames go; keys of a sink of the same kind stay",
    ),
    ("--model-name", "transport.model", "NAME", "the model"),
    ("--input-name", "transport.input", "NAME", "the input of the model"),
    ("--limit-stream-duration", "limits.duration", "SECONDS", "of the source's time; 0: no limit"),
    ("--limit-frames", "limits.frames", "N", "capture exactly N frames; 0: no limit"),
)


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Add the flags to `parser`. Its result has them as `overrides`, in the order in which they
    were typed, for `spec.load`."""
    parser.set_defaults(overrides=[])
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        dest="overrides",
        help="set one key of the flow, such as limits.frames=10; the last one wins",
    )
    parser.add_argument(
        "--web",
        metavar="HOST:PORT",
        nargs="?",
        action=_Override,
        key="sink",
        adds="web",
        help="add a web page with the live video and statistics; default: 127.0.0.1:8080",
        dest="overrides",
    )
    group = parser.add_argument_group(
        "the demo client's flags",
        "Each sets one key of the flow. Underscores work as well: --grpc_address.",
    )
    for name, key, metavar, text in DEMO_CLIENT_FLAGS:
        # The second spelling is accepted, but not listed in the help.
        for spelling, help_ in ((name, f"{key}: {text}"), (_underscored(name), argparse.SUPPRESS)):
            group.add_argument(
                spelling, metavar=metavar, action=_Override, key=key, help=help_, dest="overrides"
            )


def complete_bare_web(argv: Sequence[str]) -> list[str]:
    """Replace a `--web` without an address by `--web=`, so that argparse does not take the flow
    after it for the address."""
    following = [*argv, ""][1:]
    return [
        "--web=" if argument == "--web" and not re.fullmatch(r"(.*:)?\d+", after) else argument
        for argument, after in zip(argv, following, strict=True)
    ]


def _underscored(name: str) -> str:
    return "--" + name.removeprefix("--").replace("-", "_")


class _Override(argparse.Action):
    def __init__(self, *, key: str, adds: SinkKind | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._key, self._adds = key, adds

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        from flowrun.spec.flow_text import Flag

        # 0 means no limit in the demo client; in a flow, null does.
        value = "null" if self._key.startswith("limits.") and values == "0" else values
        name = option_string or self.option_strings[0]
        flag = Flag(name, self._key, value or "", self._adds)
        namespace.overrides = [*namespace.overrides, flag]
