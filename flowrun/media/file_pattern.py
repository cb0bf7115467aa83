"""The names of the files that one sink writes over days: by their time, and by a number."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path, PurePath
from typing import Literal

from flowrun.spec import strftime

_NUMBER = r"(?:-(?P<number>[1-9]\d*))?"  # of a name that was taken


class FilePattern:
    """The pattern `rec/%Y-%m-%d/%H%M%S.mp4`: a path with strftime signs, or without any.

    A name that is taken gets `-1`, `-2` and so on before its suffix. `base` is the folder below
    which all names are, `inside` the rest of the pattern. Files match only if the pattern can make
    their names: a sign that occurs twice has the same value twice.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        parts = PurePath(text).parts
        fixed = next((n for n, part in enumerate(parts) if strftime.is_dated(part)), len(parts))
        fixed = min(fixed, len(parts) - 1)
        self.base = Path(*map(strftime.literal, parts[:fixed]))
        self._parts = parts[fixed:]
        self.inside = "/".join(self._parts)
        stem, suffix = _stem_and_suffix(self.inside)
        whole = rf"{_expression(stem, {})}{_NUMBER}{re.escape(suffix)}"
        unfinished = rf"{_expression(stem, {})}{_NUMBER}\.part{re.escape(suffix)}"
        self._whole, self._unfinished = re.compile(whole), re.compile(unfinished)
        self._folders = [re.compile(_expression(part, {})) for part in self._parts[:-1]]

    def name(self, at: datetime, number: int = 0) -> Path:
        """The name for the local time `at`, which has its time zone."""
        stem, suffix = _stem_and_suffix(self.inside)
        numbered = f"-{number}" if number else ""
        return self.base / f"{_expand(stem, at)}{numbered}{strftime.literal(suffix)}"

    def next_number(self, at: datetime) -> int:
        """The smallest number whose name, and all after it, are free at `at`: 0 if no file, also no
        unfinished one, has the name. Raises `OSError`."""
        path = self.name(at)
        stem, suffix = re.escape(path.stem), re.escape(path.suffix)
        taken = re.compile(rf"{stem}{_NUMBER}(?:\.part)?{suffix}", re.IGNORECASE)
        try:
            found = [taken.fullmatch(name) for name in os.listdir(path.parent)]
        except FileNotFoundError:
            return 0
        return max((int(each["number"] or 0) + 1 for each in found if each), default=0)

    def files(self) -> Iterator[os.DirEntry[str]]:
        """The finished files of the pattern, in no order. Symbolic links are not followed."""
        return self._walk(self.base, "", 0, self._whole)

    def unfinished(self) -> Iterator[os.DirEntry[str]]:
        """The files that killed runs have left."""
        return self._walk(self.base, "", 0, self._unfinished)

    def matches(self, path: Path) -> bool:
        """Whether `path`, in any spelling, is a name that the pattern can make."""
        try:
            inside = Path(os.path.realpath(path)).relative_to(os.path.realpath(self.base))
        except ValueError:
            return False
        return self._whole.fullmatch(inside.as_posix()) is not None

    def _walk(
        self, folder: Path, inside: str, depth: int, wanted: re.Pattern[str]
    ) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                found = list(entries)
        except OSError:  # none yet, or one that is not ours to read
            return
        for entry in found:
            name = inside + entry.name
            if depth == len(self._folders):
                if wanted.fullmatch(name) and _is(entry, "file"):
                    yield entry
            elif self._folders[depth].fullmatch(entry.name) and _is(entry, "folder"):
                yield from self._walk(folder / entry.name, f"{name}/", depth + 1, wanted)


def _is(entry: os.DirEntry[str], what: Literal["file", "folder"]) -> bool:
    """Whether `entry` is a regular file or a folder, and not a link to one."""
    try:
        if what == "file":
            return entry.is_file(follow_symlinks=False)
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _stem_and_suffix(inside: str) -> tuple[str, str]:
    stem, dot, suffix = inside.rpartition(".")
    return stem, dot + suffix


def _expression(text: str, seen: dict[str, str]) -> str:
    """The regular expression for `text`; a sign in `seen` has the value of its first occurrence."""
    expression = ""
    for n, part in enumerate(strftime.split(text)):
        if n % 2 == 0 or part == "%":
            expression += re.escape(part)
        elif part in seen:
            expression += f"(?P={seen[part]})"
        else:
            seen[part] = f"sign_{part}"
            expression += f"(?P<{seen[part]}>{strftime.SIGNS[part]})"
    return expression


def _expand(text: str, at: datetime) -> str:
    return "".join(
        part if n % 2 == 0 else _value(part, at) for n, part in enumerate(strftime.split(text))
    )


def _value(sign: str, at: datetime) -> str:
    if sign == "%":
        return "%"
    if sign == "s":
        return str(int(at.timestamp()))
    if sign in strftime.WORDS:  # strftime would use the language of the process
        number = {"p": at.hour // 12, "a": at.weekday(), "b": at.month - 1}[sign.lower()]
        return strftime.WORDS[sign][number]
    return at.strftime(f"%{sign}")[: 5 if sign == "z" else None]
