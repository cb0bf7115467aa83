"""Suggest corrections: the key or the value that the user probably meant."""

from __future__ import annotations

import difflib
import re
from functools import lru_cache

from flowrun.spec.nodes import Node, Path, dotted
from flowrun.spec.scalars import scalar
from flowrun.spec.schema import Schema, inlined, types

_MAX_COMPARED = 60  # characters; comparing takes quadratic time
_BOOLEAN_WORDS = {
    "on": "true",
    "yes": "true",
    "y": "true",
    "off": "false",
    "no": "false",
    "n": "false",
}


@lru_cache(maxsize=1024)
def closest_match(word: str, words: tuple[str, ...]) -> str | None:
    """The one of `words` that is most similar to `word`; None if none is similar."""
    if len(word) > _MAX_COMPARED:
        return None
    by_fold = {each.casefold(): each for each in words}
    found = difflib.get_close_matches(word.casefold(), by_fold, n=1)
    return by_fold[found[0]] if found else None


def intended_path(path: Path, of: Schema) -> Path | None:
    """The path of the known key that the unknown one at `path` probably stands for: a similar key
    at the same level, or one of the same name a level above or below."""
    *parent, key = path
    word = str(key)
    elsewhere = _unique_path(word)
    if elsewhere and elsewhere[:-1] != tuple(parent):
        return elsewhere
    near = closest_match(word, tuple(of.get("properties", ())))
    return (*parent, near) if near else None


def unknown_key(path: Path, of: Schema) -> str:
    """The hint for an unknown key; `of` is the schema of the mapping that has it."""
    better = intended_path(path, of)
    if better is None:
        return "known keys: " + ", ".join(f"`{key}`" for key in of.get("properties", {}))
    if better[:-1] == path[:-1]:
        return f"did you mean `{better[-1]}`?"
    if len(better) == 1:
        return f"`{better[0]}` belongs to the top level: is it indented too far?"
    return f"`{better[-1]}` belongs under `{dotted(better[:-1])}`"


def wrong_value(node: Node, of: Schema) -> str:
    """The hint for a value that the schema does not allow; empty if there is none."""
    text = node.value
    if node.style == "empty":
        return "give it a value, or remove the key"
    if not isinstance(text, str) or not text:
        return ""
    allowed = types(of)
    read = _type(scalar(text))
    if node.style == "quoted" and read != "string" and read in allowed:
        return "remove the quotes"
    if "boolean" in allowed and text.lower() in _BOOLEAN_WORDS:
        return f"write `{_BOOLEAN_WORDS[text.lower()]}`"
    near = closest_match(text, tuple(filter(None, of.get("enum", ()))))
    words = [near] if near else _corrections(text, of["pattern"]) if "pattern" in of else []
    return f"did you mean `{words[0]}`?" if words else ""


def _unique_path(key: str) -> Path | None:
    """The path of `key` in the two upper levels of the schema, if it occurs there only once."""
    root = inlined()["properties"]
    if key in root:
        return (key,)
    holders = [name for name, of in root.items() if key in of.get("properties", {})]
    return (holders[0], key) if len(holders) == 1 else None


def _corrections(text: str, pattern: str) -> list[str]:
    """Variants of `text` that match the pattern: without blanks, in lower case, without the scheme
    of an address, with a port, with the colon of a dotted path."""
    if len(text) > _MAX_COMPARED:
        return []
    without = re.sub(r"\s", "", text)
    words = [without, without.lower(), ":".join(text.rsplit(".", 1))]
    if not re.search(pattern, "localhost") and re.search(pattern, "localhost:9000"):
        host = text.partition("://")[2].rpartition("@")[2].partition("/")[0] or text
        words += [host, f"{host}:9000"] if host != "embedded" else []
    return [word for word in words if word != text and re.search(pattern, word)]


def _type(value: object) -> str:
    names = {bool: "boolean", int: "integer", float: "number", type(None): "null"}
    return names.get(type(value), "string")
