"""Explain why a connection failed: gRPC's details, and the key of the flow that can change it."""

from __future__ import annotations

import os
import re
from typing import NamedTuple
from urllib.request import proxy_bypass

from flowrun.spec.flow import Tls, TransportSpec


class Failure(NamedTuple):
    """`text` has `{}` for the address."""

    text: str
    key: str  # of the flow
    hint: str | None


_OTHER_PORT = "use the server's gRPC port, not its REST port"
_NEEDS_TLS = "if the server uses TLS, write `tls: {}` at least"
_PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")  # variables, in gRPC's order
_BEHIND_PROXY = ("connection refused", "lookup error|domain name not found", "timed out")

# gRPC's details, and what they mean.
_CAUSES: list[tuple[str, Failure]] = [
    (
        "connection refused",
        Failure(
            "cannot connect to {} (connection refused)",
            "transport.address",
            "start the model server, or correct the address",
        ),
    ),
    (
        "unix:.*no such file",
        Failure(
            "cannot connect to {} (there is no such socket)",
            "transport.address",
            "start the model server, or correct the path",
        ),
    ),
    (
        "unix:.*permission denied",
        Failure(
            "cannot connect to {} (this user may not open the socket)",
            "transport.address",
            "change the permissions of the socket",
        ),
    ),
    (
        "lookup error|dns resolution failed|domain name not found|name or service not known",
        Failure(
            "cannot connect to {} (no such host)", "transport.address", "correct the host name"
        ),
    ),
    (
        r"connect\(\) timed out|tcp handshaker shutdown",
        Failure(
            "cannot connect to {} (connection timed out)",
            "transport.address",
            "correct the address, or check whether a firewall blocks the port",
        ),
    ),
    (
        "certificate has expired",
        Failure(
            "cannot connect to {} (its certificate has expired)",
            "transport.address",
            "renew the server's certificate, or set the clock of this machine",
        ),
    ),
    (
        "certificate is not yet valid",
        Failure(
            "cannot connect to {} (its certificate is not valid yet)",
            "transport.address",
            "set the clock of this machine, or replace the server's certificate",
        ),
    ),
    (
        "certificate_verify_failed",
        Failure(
            "cannot connect to {} (certificate verification failed)",
            "transport.tls.ca",
            "set `ca` to the certificate of the authority that signed the server's",
        ),
    ),
    (
        "hostname verification",
        Failure(
            "cannot connect to {} (its certificate is for another host)",
            "transport.authority",
            "set `authority` to a host that the certificate names",
        ),
    ),
    (
        r"handshake|wrong_version_number|ssl_error|\btls\b",
        Failure(
            "cannot connect to {} (TLS handshake failed)",
            "transport.tls",
            "if the server does not use TLS, remove `tls`",
        ),
    ),
    (
        "before receiving settings",
        Failure(
            "the server at {} does not respond", "transport.address", f"{_OTHER_PORT}; {_NEEDS_TLS}"
        ),
    ),
    (
        r"http2 header with status: 4(04|21)\b",
        Failure(
            "the server at {} does not know this host or path (HTTP 404 or 421)",
            "transport.address",
            f"behind a proxy that routes by host, set `authority`; otherwise {_OTHER_PORT}",
        ),
    ),
    (
        "http1|http2 header with status|failed parsing http/2",
        Failure("the server at {} is not a gRPC server", "transport.address", _OTHER_PORT),
    ),
]


def explain(details: str, spec: TransportSpec, address: str) -> Failure | None:
    """Why the connection to `address`, of the flow, failed with gRPC's `details`; `None` if these
    are not known."""
    if (failure := _of_proxy(details, address)) is not None:
        return failure
    if re.search("socket closed|connection reset|broken pipe", details, re.IGNORECASE):
        return _closed(spec.tls)
    for pattern, failure in _CAUSES:
        if re.search(pattern, details, re.IGNORECASE):
            return failure
    return None


def _closed(tls: Tls | None) -> Failure:
    """The server closed the connection, which with TLS is how it refuses a client's certificate."""
    if tls is None:
        return Failure(
            "cannot connect to {} (connection reset)",
            "transport.address",
            f"see the server's log; {_NEEDS_TLS}",
        )
    if tls.cert is None:
        return Failure(
            "cannot connect to {} (connection closed by the server after the TLS handshake)",
            "transport.tls",
            "if the server asks for a client certificate, set `tls.cert` and `tls.key`;"
            " otherwise see its log",
        )
    return Failure(
        "cannot connect to {} (connection closed by the server after the TLS handshake)",
        "transport.tls.cert",
        "the server may refuse this client certificate: is it valid, and signed by an authority"
        " that the server trusts? See its log",
    )


def _of_proxy(details: str, address: str) -> Failure | None:
    """The failure if gRPC connects through a proxy, which environment variables set."""
    names = [name for each in _PROXIES for name in (each, each.upper()) if os.environ.get(name)]
    host = address.rpartition(":")[0].strip("[]")
    if not names or not host or address.startswith("unix:") or proxy_bypass(host):
        return None
    hint = f"correct the variable `{names[0]}`, or add {host} to `no_proxy`"
    if refused := re.search(r"HTTP proxy returned response code (\d+)", details):
        return Failure(
            f"cannot connect to {{}} (the proxy refuses: HTTP {refused[1]})",
            "transport.address",
            hint,
        )
    if any(re.search(pattern, details, re.IGNORECASE) for pattern in _BEHIND_PROXY):
        return Failure("cannot connect to {} (the proxy is unavailable)", "transport.address", hint)
    return None
