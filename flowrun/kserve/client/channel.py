"""Open a gRPC channel to one server."""

from __future__ import annotations

import re
from pathlib import Path

import grpc

from flowrun.errors import TransportError
from flowrun.kserve.channel import Channel
from flowrun.kserve.client.targets import Target
from flowrun.kserve.client.tls_files import check_files
from flowrun.spec.flow import Tls, TransportSpec

# Seconds between two pings while calls are open. Servers of gRPC close a connection that pings more
# often than every 300 s, unless they are configured otherwise; balancers and NATs forget one that
# has been idle for 350 s and more.
KEEPALIVE = 310.0

_OPTIONS: list[tuple[str, int | str]] = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # On Linux also the time after which a connection is closed whose peer acknowledges no data
    # (TCP_USER_TIMEOUT). So a dead connection is found by the requests, not by pings.
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),  # any number: a stream may have no frames for hours
    # A server that is available again is found within 1.2 s (gRPC adds a jitter of a fifth).
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
]


def open_channel(spec: TransportSpec, target: Target) -> Channel:
    """A channel to `target`; connects lazily. Raises `TransportError` naming `transport.address` or
    `transport.tls.…`.

    The server is told `spec.authority`, or the address in the flow, and its certificate is verified
    against it.
    """
    options = [*_OPTIONS, ("grpc.keepalive_time_ms", round(KEEPALIVE * 1000))]
    if target.is_local:
        options.append(("grpc.enable_http_proxy", 0))
    authority = spec.authority or (target.address if target.ip else None)
    if authority is not None:
        options.append(("grpc.default_authority", authority))
        host = re.sub(r":\d+$", "", authority).strip("[]")
        options.append(("grpc.ssl_target_name_override", host))
    where = target.ip or target.address
    if spec.tls is None:
        return grpc.insecure_channel(where, options=options)
    return grpc.secure_channel(where, _credentials(spec.tls), options=options)


def call_metadata(spec: TransportSpec) -> tuple[tuple[str, str], ...]:
    """The flow's headers as gRPC metadata. Raises `TransportError` with the key, without the value,
    for what gRPC cannot send."""
    pairs = []
    for name, value in spec.headers.items():
        key = name.lower()
        if not re.fullmatch(r"[0-9a-z_.-]+", key) or key.startswith("grpc-"):
            raise TransportError(
                "gRPC cannot send a header of this name",
                key=f"transport.headers.{name}",
                hint="letters, digits, `-`, `_` and `.`; not beginning with `grpc-`",
            )
        if key.endswith("-bin") or not re.fullmatch(r"[\x20-\x7e]*", value):
            raise TransportError(
                "the header's value is not plain text", key=f"transport.headers.{name}"
            )
        pairs.append((key, value))
    return tuple(pairs)


def _credentials(tls: Tls) -> grpc.ChannelCredentials:
    if (tls.cert is None) != (tls.key is None):
        missing = "key" if tls.key is None else "cert"
        raise TransportError(
            "a client certificate needs both `cert` and `key`", key=f"transport.tls.{missing}"
        )
    ca, key, cert = _read(tls.ca, "ca"), _read(tls.key, "key"), _read(tls.cert, "cert")
    check_files(tls)
    return grpc.ssl_channel_credentials(ca, key, cert)


def _read(path: str | None, key: str) -> bytes | None:
    if path is None:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        shown = "the file" if key == "key" else repr(path)
        raise TransportError(
            f"cannot read {shown}: {error.strerror or type(error).__name__}",
            key=f"transport.tls.{key}",
            hint="relative paths are relative to the working directory",
        ) from error
