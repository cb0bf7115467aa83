"""The strftime signs in the path of a video file."""

from __future__ import annotations

import re

_DAYS = ("Mon", "Tues", "Wednes", "Thurs", "Fri", "Satur", "Sun")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    *("October", "November", "December"),
)
SHORT = {"F": "%Y-%m-%d", "T": "%H:%M:%S"}  # for several others
# What each sign can become, as a regular expression. Names are English.
SIGNS: dict[str, str] = {
    "Y": r"\d{4}",
    "y": r"\d{2}",
    "m": r"0[1-9]|1[0-2]",
    "d": r"0[1-9]|[12]\d|3[01]",
    "j": r"00[1-9]|0[1-9]\d|[12]\d\d|3[0-5]\d|36[0-6]",
    "H": r"[01]\d|2[0-3]",
    "I": r"0[1-9]|1[0-2]",
    "p": r"AM|PM",
    "M": r"[0-5]\d",
    "S": r"[0-5]\d",
    "f": r"\d{6}",
    "s": r"\d{1,12}",
    "z": r"[+-]\d{4}",
    "G": r"\d{4}",
    "V": r"0[1-9]|[1-4]\d|5[0-3]",
    "u": r"[1-7]",
    "a": "|".join(name[:3] for name in _DAYS),
    "A": "|".join(f"{name}day" for name in _DAYS),
    "b": "|".join(name[:3] for name in _MONTHS),
    "B": "|".join(_MONTHS),
}
WORDS: dict[str, tuple[str, ...]] = {  # of the half of a day, the day, the month
    sign: tuple(SIGNS[sign].split("|")) for sign in "paAbB"
}


def split(path: str) -> list[str]:
    """Literal text and signs in turn, beginning with a text."""
    path = re.sub(r"%(.)", lambda found: SHORT.get(found[1], found[0]), path)
    return re.split(r"%(.)", path)


def is_dated(path: str) -> bool:
    """Whether `path` has a sign, so that it names a file by the time."""
    return any(sign != "%" for sign in split(path)[1::2])


def literal(path: str) -> str:
    """The path of a file that is not dated: `%%` is a percent sign."""
    return path.replace("%%", "%")
