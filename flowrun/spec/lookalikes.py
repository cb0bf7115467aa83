"""Find text that looks like a blank, a quotation mark or a variable, but is none for YAML."""

from __future__ import annotations

import re
from collections.abc import Sequence

from flowrun.spec.nodes import (
    Finding,
    Location,
    MalformedMessageError,
    Node,
    Path,
    dotted,
    printable,
)

_SPACES = "\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000\ufeff"
# Where the structure of a line is: its indentation, or after `:`, `-`, `,`, `[` and `{`.
_STRUCTURE = re.compile(f"^(?:[^\"'#]*[:,\\[{{-])?[ \t]*([{_SPACES}])")
_NO_BLANK = re.compile(r"^\s*([a-z_]+):(?=[^\s:/])")
_QUOTED = re.compile(
    "[\u201c\u201d\u201e\u00ab\u2018\u2019\u201a].*[\u201c\u201d\u00bb\u2018\u2019]"
)
# A variable of a shell: the whole value, or what a path begins with.
_VARIABLE = re.compile(
    r"(?:\$([A-Za-z_]\w*)|\$\(([A-Za-z_]\w*)\)|%([A-Z_][A-Z0-9_]*)%|(~))(?=$|[/\\])(.*)", re.DOTALL
)
_HOOK_FILE = re.compile(r"([\w.]+)\.py:(\w+)")
_CONTROL = re.compile("[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
_ANY_TEXT = {"with", "parameters", "ffmpeg"}


def check_spaces(lines: Sequence[str]) -> None:
    """Raise `MalformedMessageError` for a space that YAML does not take for a blank, where the
    structure of a line needs one."""
    for number, line in enumerate(lines, start=1):
        if found := _STRUCTURE.match(line):
            at = found.start(1)
            raise MalformedMessageError(
                f"this is not a blank, but a {_name(found[1])}",
                Location(0, number, at + 1),
                "replace it with a blank; text from a web page or a chat often has such spaces",
            )


def missing_blank(lines: Sequence[str], before: int) -> MalformedMessageError | None:
    """The error of the last line up to `before` (from 0) whose key is not followed by a blank."""
    for number in range(before, -1, -1):
        if found := _NO_BLANK.match(lines[number]):
            return MalformedMessageError(
                f"a blank is missing after `{found[1]}:`",
                Location(0, number + 1, found.end() + 1),
                f"write `{found[1]}: {lines[number][found.end() :].strip()[:60]}`",
            )
    return None


def lookalike(path: Path, node: Node) -> Finding | None:
    """The finding for a value in typographic quotation marks, one that begins with a variable in
    another syntax, or a hook by its file. Arguments of hooks may be any text."""
    text = node.value
    if not isinstance(text, str) or node.untyped or node.variables or "with" in path:
        return None
    name = dotted(path)
    if node.style == "plain" and _QUOTED.fullmatch(text):
        message = f"`{name}` has typographic quotation marks, which belong to the value"
        return Finding(message, node.location, name, 'write straight ones (`"`), or none')
    if path[:1] in (("preprocess",), ("postprocess",)) and (found := _HOOK_FILE.fullmatch(text)):
        hint = f"did you mean `{found[1]}:{found[2]}`?"
        return Finding(f"`{name}` names a file, not a module", node.location, name, hint)
    if found := _VARIABLE.fullmatch(text):
        *names, rest = found.groups()
        variable = "HOME" if found[4] else next(filter(None, names))
        message = (
            f"`{name}` begins with `{text.removesuffix(rest)}`, which is not expanded"
            if rest
            else f"`{name}` is the text `{text}`, not a variable"
        )
        hint = f"did you mean `{printable(f'${{{variable}}}{rest}')}`?"
        return Finding(message, node.location, name, hint)
    return None


def control_character(path: Path, node: Node) -> Finding | None:
    """The finding for a value with a control character, which only a quoted or a block scalar can
    have, or with one that reverses the text after it."""
    found = _CONTROL.search(node.value) if isinstance(node.value, str) else None
    if found is None or _ANY_TEXT.intersection(path):
        return None
    character = {"\0": "NUL character", "\n": "line break", "\t": "tab"}.get(found[0])
    name = dotted(path)
    if not found[0].isascii():
        message = f"`{name}` has a bidirectional control character (U+{ord(found[0]):04X})"
        return Finding(message, node.location, name, "remove it: it changes the order of the text")
    message = f"`{name}` has a {character or 'control character'} (U+{ord(found[0]):04X})"
    hint = "write it on one line, in single quotes: in double quotes `\\` starts an escape"
    return Finding(message, node.location, name, hint)


def _name(space: str) -> str:
    return {
        "\u00a0": "no-break space (U+00A0)",
        "\u202f": "narrow no-break space (U+202F)",
        "\u200b": "zero-width space (U+200B)",
        "\ufeff": "zero-width no-break space (U+FEFF)",
        "\u3000": "ideographic space (U+3000)",
    }.get(space, f"space of another kind (U+{ord(space):04X})")
