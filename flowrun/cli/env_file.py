"""The option --env-file of all commands that read a flow."""

from __future__ import annotations

import argparse
import os


def add_env_file(parser: argparse.ArgumentParser) -> None:
    """Add the option to `parser`."""
    parser.add_argument(
        "--env-file",
        metavar="FILE",
        action="append",
        default=[],
        help="read variables for ${NAME} that the environment does not set: NAME=VALUE lines",
    )


def environ_of(options: argparse.Namespace) -> dict[str, str]:
    """The environment, and the variables of the files that `options` names."""
    from flowrun.spec.env_file import environment

    return environment(options.env_file, os.environ)
