"""The flags of OpenVINO Model Server's demo client, each for one key of the flow."""

from __future__ import annotations

import argparse
from typing import Any

# Flag, key of the flow, what to write, what it means.
FLAGS = (
    ("--grpc-address", "transport.address", "HOST:PORT", "the model server"),
    ("--input-stream", "source.uri", "URI", "where frames come from; a number is a camera"),
    ("--output-stream", "sink.uri", "URI", "where they go; keys of a sink of the same kind stay"),
    ("--model-name", "transport.model", "NAME", "the model"),
    ("--input-name", "transport.input", "NAME", "the input of the model"),
    ("--limit-stream-duration", "limits.duration", "SECONDS", "of the source's time; 0: no limit"),
    ("--limit-frames", "limits.frames", "N", "capture exactly N frames; 0: no limit"),
)


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Let `overrides` of what is parsed hold every `--set` and every flag, in the order in which
    they were typed, for `spec.load`."""
    parser.set_defaults(overrides=[])
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        dest="overrides",
        help="set one key of the flow, such as limits.frames=10; the last one wins",
    )
    group = parser.add_argument_group(
        "the demo client's flags",
        "Each sets one key of the flow. --grpc_address and the like do, too.",
    )
    for name, key, metavar, text in FLAGS:
        # The second spelling is understood, but would only be noise in the help.
        for spelling, help_ in ((name, f"{key}: {text}"), (_underscored(name), argparse.SUPPRESS)):
            group.add_argument(
                spelling, metavar=metavar, action=_Override, key=key, help=help_, dest="overrides"
            )


def _underscored(name: str) -> str:
    return "--" + name.removeprefix("--").replace("-", "_")


class _Override(argparse.Action):
    def __init__(self, *, key: str, **options: Any) -> None:
        super().__init__(**options)
        self._key = key

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        from flowrun.spec.origin import Flag

        # With the demo client 0 is no limit, which here is null.
        value = "null" if self._key.startswith("limits.") and values == "0" else values
        flag = Flag(option_string or self.option_strings[0], self._key, value)
        namespace.overrides = [*namespace.overrides, flag]
