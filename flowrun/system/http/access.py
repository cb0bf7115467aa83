"""Decide which requests a server answers: by the name it is asked for, the site that asks, a token.

A page of any site can send requests to a loopback address with its visitor's browser. It can read
the responses if the name of its own host resolves to 127.0.0.1 (DNS rebinding); the `Host` header
then shows that name. Without such a name, the browser marks the request as one of another site
(Fetch Metadata Request Headers, W3C; the `Origin` header, RFC 6454).
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from urllib.parse import urlsplit

from flowrun.system.http.messages import Request, Response

# Sent with every response: not framed, not embedded, not guessed, no address passed on.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}
_COOKIE_AGE = 30 * 24 * 3600  # seconds


@dataclass(frozen=True, slots=True)
class Access:
    """Who may read from a server. `hosts` are further names by which a server on a loopback address
    answers; with a `token`, every request needs it."""

    hosts: Sequence[str] = ()
    token: str | None = None

    def refusal(self, request: Request, *, loopback: bool, port: int) -> Response | None:
        """The response to a request that is refused; `None` if it is allowed. `loopback` says
        whether the server listens on a loopback address, at `port`."""
        name = _name(request.headers.get("Host"))
        if loopback and name is not None and not is_loopback(name) and name not in self._names():
            return _text(
                421,
                f"this address does not answer to the name {name[:100]!r}: use 127.0.0.1 or"
                " localhost, or add the name to `hosts` in the flow",
            )
        if not _same_origin(request.headers):
            return _text(403, "pages of other sites cannot read from this address")
        return None if self.token is None else self._ask_for_token(request, self.token, port)

    def _names(self) -> set[str]:
        return {name.lower() for name in self.hosts}

    def _ask_for_token(self, request: Request, token: str, port: int) -> Response | None:
        cookie = f"flowrun-{port}"  # browsers send cookies to every port of a host
        kind, _, bearer = request.headers.get("Authorization", "").partition(" ")
        given = request.query.get("token")
        if _equal(given, token):
            if request.path != "/":
                return None
            # Keeps the token out of the history; the page's own requests have the cookie.
            return Response(
                b"",
                status=303,
                headers={
                    "Location": "/",
                    "Set-Cookie": f"{cookie}={_digest(token)}; Max-Age={_COOKIE_AGE}; Path=/;"
                    " HttpOnly; SameSite=Strict",
                },
            )
        if kind.lower() == "bearer" and _equal(bearer.strip(), token):
            return None
        if _equal(_cookie(request.headers, cookie), _digest(token)):
            return None
        return _text(
            401,
            "this address needs the `token` of the flow: add ?token=… to it, or send the header"
            " Authorization: Bearer …",
            {"WWW-Authenticate": "Bearer"},
        )


def is_loopback(name: str) -> bool:
    """Whether a host, by name or address, is this machine's loopback interface."""
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _name(host: str | None) -> str | None:
    """The name in a `Host` header, in lower case without its port; `None` without such a header,
    which every browser sends."""
    if host is None:
        return None
    try:
        name = urlsplit(f"//{host.strip()}").hostname
    except ValueError:
        return host
    return (name or "").rstrip(".")


def _same_origin(headers: Message[str, str]) -> bool:
    """Whether a request comes from the server's own page, from a program, or from a person who
    opens the address."""
    site = headers.get("Sec-Fetch-Site")
    if site is not None:
        opened = (headers.get("Sec-Fetch-Mode"), headers.get("Sec-Fetch-Dest"))
        return site in ("same-origin", "none") or opened == ("navigate", "document")
    origin = headers.get("Origin")
    return origin is None or origin.lower() == f"http://{headers.get('Host', '').lower()}"


def _cookie(headers: Message[str, str], name: str) -> str | None:
    try:
        found = SimpleCookie(headers.get("Cookie", "")).get(name)
    except CookieError:
        return None
    return None if found is None else found.value


def _equal(given: str | None, wanted: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode(), wanted.encode())


def _digest(token: str) -> str:
    """What the cookie holds: not the token itself, and the same for every run with that token."""
    return hmac.new(token.encode(), b"flowrun", "sha256").hexdigest()


def _text(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    return Response(f"{text}\n".encode(), status=status, headers=headers or {})
