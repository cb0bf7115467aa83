"""HTTP's basic authentication, with the user info of a URL (RFC 7617)."""

from __future__ import annotations

import base64
from urllib.parse import SplitResult, unquote


def basic(parts: SplitResult) -> dict[str, str]:
    """The header for the user info of a URL; none if it has no user info."""
    user_info, at, _ = parts.netloc.rpartition("@")
    if not at:
        return {}
    user, _, password = user_info.partition(":")
    pair = f"{unquote(user)}:{unquote(password)}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
