"""Names that Kubernetes accepts (RFC 1123)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container

MAX_NAME = 50  # characters; 63 are allowed, and suffixes are added
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def is_label(name: str) -> bool:
    """Whether `name` is a label by RFC 1123: at most 63 of a-z, 0-9 and `-`."""
    return _LABEL.fullmatch(name) is not None


def label(name: str) -> str:
    """`name` in lower case without accents, other characters replaced by `-`; may be empty."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:MAX_NAME].strip("-")


def config_key(path: str, taken: Container[str]) -> str:
    """A key of a ConfigMap for the file at `path`, unlike those in `taken`."""
    key = re.sub(r"[^A-Za-z0-9._-]+", "_", path)
    while key in taken or key.startswith(".."):
        key = f"_{key}"
    return key
