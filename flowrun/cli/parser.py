"""The argument parser of all commands."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from flowrun.cli.stderr import print_stderr
from flowrun.cli.stdout import print_stdout


class Parser(argparse.ArgumentParser):
    """An argument parser that does not accept abbreviated flags."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print help, version and usage errors; a failure costs what is printed."""
        if file is sys.stdout:
            print_stdout(message.removesuffix("\n"))
        else:
            print_stderr(message.removesuffix("\n"))
