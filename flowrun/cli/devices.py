"""`flowrun devices`"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from flowrun.cli.exit_codes import DONE
from flowrun.cli.parser import Parser
from flowrun.cli.stderr import print_stderr
from flowrun.cli.stdout import print_stdout


def main(argv: Sequence[str]) -> int:
    """Print the cameras of this machine, one per line: the URI for a flow, and the name.

    No camera is not an error: the list is empty, and a message on standard error says so.
    """
    parser = Parser(prog="flowrun devices", description="List the cameras of this machine.")
    parser.add_argument("--verbose", action="store_true", help=argparse.SUPPRESS)
    parser.parse_args(argv)

    from flowrun.media.ffmpeg.devices import devices

    found = devices()
    width = max((len(device.uri) for device in found), default=0)
    for device in found:
        print_stdout(f"{device.uri:{width}}  {device.name}")
    if not found:
        print_stderr("flowrun: no camera was found on this machine")
    return DONE
