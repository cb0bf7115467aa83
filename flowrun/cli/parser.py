"""The argument parser of all commands."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from itertools import takewhile
from typing import Any, NoReturn

from flowrun.cli.stderr import print_stderr
from flowrun.cli.stdout import print_stdout
from flowrun.errors import UsageError


class Parser(argparse.ArgumentParser):
    """An argument parser that does not accept abbreviated flags and names the option that was
    probably meant."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse the arguments, also for `parse_args`. Raises `UsageError` for an option that does
        not exist, and for an argument too many."""
        words = list(sys.argv[1:] if args is None else args)
        for word in takewhile(lambda word: word != "--", words):
            # A value may look like an option if it has blanks, as argparse has it.
            if word.startswith("--") and " " not in word:
                self._check_option(word)
        parsed, further = super().parse_known_args(words, namespace)
        for word in further:
            if word.startswith("-"):
                self._check_option(word)
        if further:
            self._refuse(f"`{further[0]}` is one argument too many")
        return parsed, []

    def error(self, message: str) -> NoReturn:
        """Raise `UsageError`; without the arguments that are required the usage is printed."""
        if message.startswith("the following arguments are required"):
            super().error(message)
        word = re.match(r"argument .*invalid choice: '(.*?)' \(choose from (.*)\)", message)
        near = word and nearest(word[1], re.findall(r"[\w-]+", word[2]))
        self._refuse(message, f"did you mean `{near}`?" if near else None)

    def _check_option(self, word: str) -> None:
        name, known = word.partition("=")[0], tuple(self._option_string_actions)
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean `{near}`?" if near else None
            self._refuse(f"`{self.prog}` has no option `{name}`", hint)

    def _refuse(self, message: str, hint: str | None = None) -> NoReturn:
        raise UsageError(message, hint=hint or f"`{self.prog} --help` lists the options")

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print help, version and usage errors; a failure costs what is printed."""
        if file is sys.stdout:
            print_stdout(message.removesuffix("\n"))
        else:
            print_stderr(message.removesuffix("\n"))


def nearest(word: str, words: Sequence[str]) -> str | None:
    """The one of `words` that was probably meant by `word`, if any."""
    from flowrun.spec.hints import closest_match

    return closest_match(word, tuple(words))
