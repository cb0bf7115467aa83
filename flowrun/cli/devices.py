"""`flowrun devices`"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from flowrun.cli.terminal import DONE, Parser, say


def main(words: Sequence[str]) -> int:
    """Print the cameras of this machine, one per line: what a flow calls it, and its name.

    No camera is no failure: the list is then empty, and a sentence for people says so.
    """
    parser = Parser(prog="flowrun devices", description="List the cameras of this machine.")
    parser.add_argument("--verbose", action="store_true", help=argparse.SUPPRESS)
    parser.parse_args(words)

    from flowrun.media.ffmpeg.devices import devices

    found = devices()
    width = max((len(device.uri) for device in found), default=0)
    for device in found:
        print(f"{device.uri:{width}}  {device.name}")
    if not found:
        say("flowrun: no camera was found on this machine")
    return DONE
