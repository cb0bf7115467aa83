"""Choose the fonts in which a text is drawn. The only module that opens fonts.

The main font is DejaVu Sans or Arial, or else Pillow's own, which has no accented glyphs. For a
character that it does not have, the fonts of the system are searched.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import cast

from PIL import ImageFont, features

log = logging.getLogger("flowrun")

Font = ImageFont.FreeTypeFont

_MAIN = ("DejaVuSans.ttf", "Arial.ttf", "arial.ttf")  # Linux, macOS, Windows
_PROBE = 20  # pixels; a size at which different glyphs have different masks
_NO_GLYPH = "\uffff"  # drawn as the glyph for a missing character
_MAX_SEARCHES = 20  # without success; each opens all fonts of the system
_SPECIAL = ("bold", "black", "condensed", "italic", "light", "mono", "oblique", "serif", "thin")
_WITHOUT_GLYPHS = ("adobeblank", "lastresort")  # they have a box for every character

_found: list[Font] = []  # fonts of the system that had a character
_missing_scripts: set[str] = set()  # those without a font, by the first word of a character's name
_reported = threading.Event()


def font(size: int) -> Font:
    """The main font in `size` pixels."""
    return _variant(_main(), size, ImageFont.Layout.BASIC)


def runs(text: str, size: int) -> list[tuple[str, Font]]:
    """`text` in parts, each with its font in `size` pixels.

    A character that no font has is replaced by the one without its accents, or stays in the main
    font, which draws a box; the first one is logged.
    """
    parts: list[tuple[str, Font]] = []
    for character in text:
        drawn, face = _choice(character)
        if parts and (face is parts[-1][1] or _continues(character, parts[-1][1])):
            parts[-1] = (parts[-1][0] + drawn, parts[-1][1])
        else:
            parts.append((drawn, face))
    return [(part, _variant(face, size, _layout(part))) for part, face in parts]


def font_folders(platform: str, environ: Mapping[str, str], home: Path) -> list[Path]:
    """The folders that have the fonts of the system and of its user."""
    if platform == "win32":
        local = environ.get("LOCALAPPDATA", str(home / "AppData" / "Local"))
        return [
            Path(environ.get("WINDIR", r"C:\Windows")) / "Fonts",
            Path(local) / "Microsoft" / "Windows" / "Fonts",
        ]
    if platform == "darwin":
        roots = (Path("/System/Library"), Path("/Library"), home / "Library")
        return [root / "Fonts" for root in roots]
    data = environ.get("XDG_DATA_HOME") or str(home / ".local" / "share")
    shared = environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    return [*(Path(each) / "fonts" for each in (*shared.split(":"), data)), home / ".fonts"]


@lru_cache(maxsize=4096)
def _choice(character: str) -> tuple[str, Font]:
    """What is drawn for `character`, and in which font."""
    main = _main()
    if _has(main, character):
        return character, main
    nameless = unicodedata.category(character)[0] == "C"  # control, surrogate, private, unassigned
    if not nameless:
        face = next((each for each in _found if _has(each, character)), None) or _search(character)
        if face is not None:
            return character, face
    parts = unicodedata.normalize("NFKD", character)
    plain = "".join(part for part in parts if not unicodedata.combining(part))
    if plain and plain != character and all(_has(main, part) for part in plain):
        return plain, main
    if not nameless:
        _report(character)
    return character, main


def _search(character: str) -> Font | None:
    """The first font of the system that has `character`."""
    script = unicodedata.name(character, "").split(" ")[0]
    if script in _missing_scripts or len(_missing_scripts) >= _MAX_SEARCHES:
        return None
    for path in _files():
        with suppress(OSError):  # it is damaged, or has bitmaps only
            face = ImageFont.truetype(str(path), _PROBE, layout_engine=ImageFont.Layout.BASIC)
            if _has(face, character):
                _found.append(face)
                return face
    _missing_scripts.add(script)
    return None


def _report(character: str) -> None:
    if not _reported.is_set():
        _reported.set()
        log.warning(
            "no font of this system has %s (U+%04X %s): characters without a glyph are drawn as"
            " boxes; install a font that has them, for example one of Noto Sans",
            character,
            ord(character),
            unicodedata.name(character, "without a name"),
        )


def _has(face: Font, character: str) -> bool:
    return bytes(face.getmask(character)) != _missing(face)


@lru_cache(maxsize=32)
def _missing(face: Font) -> bytes:
    return bytes(face.getmask(_NO_GLYPH))


def _continues(character: str, face: Font) -> bool:
    """Whether `character` belongs to the one before, which is drawn in `face`."""
    return unicodedata.category(character) in ("Mn", "Mc", "Me", "Cf") and _has(face, character)


def _layout(text: str) -> ImageFont.Layout:
    """The layout for `text`: letters that are joined or run from right to left need Raqm."""
    shaped = any(
        unicodedata.bidirectional(each) in ("R", "AL") or unicodedata.category(each)[0] == "M"
        for each in text
    )
    raqm = shaped and features.check_feature("raqm")
    return ImageFont.Layout.RAQM if raqm else ImageFont.Layout.BASIC


@lru_cache(maxsize=64)
def _variant(face: Font, size: int, layout: ImageFont.Layout) -> Font:
    return face.font_variant(size=size, layout_engine=layout)


@lru_cache(maxsize=1)
def _main() -> Font:
    for name in _MAIN:
        with suppress(OSError):  # there is no such font
            return ImageFont.truetype(name, _PROBE, layout_engine=ImageFont.Layout.BASIC)
    return cast(Font, ImageFont.load_default(_PROBE))


@lru_cache(maxsize=1)
def _files() -> tuple[Path, ...]:
    """All font files of the system, plain sans-serif styles first."""
    files = {
        path
        for folder in font_folders(sys.platform, os.environ, Path.home())
        for path in folder.rglob("*")
        if path.suffix.lower() in (".otf", ".ttc", ".ttf")
        and not path.stem.lower().startswith(_WITHOUT_GLYPHS)
    }

    def special(path: Path) -> bool:
        return any(word in path.stem.lower() for word in _SPECIAL)

    return tuple(sorted(files, key=lambda path: (special(path), path.name)))
