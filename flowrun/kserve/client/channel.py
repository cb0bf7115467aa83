"""Open a gRPC channel to one or several addresses."""

from __future__ import annotations

import ipaddress
import json
import re
import socket
from collections.abc import Sequence
from pathlib import Path

import grpc

from flowrun.errors import TransportError
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
_ROUND_ROBIN = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})


def open_channel(spec: TransportSpec, address: Sequence[str]) -> grpc.Channel:
    """A channel to `address`; connects lazily. Looks up host names if there are several addresses.

    Calls are balanced over them in `mode: unary`; a stream uses the first that connects. Raises
    `TransportError` naming `transport.address` or `transport.tls.…`. The server is told
    `spec.authority`, and its certificate is verified against it.
    """
    options = [*_OPTIONS, ("grpc.keepalive_time_ms", round(KEEPALIVE * 1000))]
    hosts = [_host(each) for each in address]
    if all(map(_is_loopback, hosts)):
        options.append(("grpc.enable_http_proxy", 0))  # a proxy cannot reach this machine
    if len(address) == 1:
        target = address[0]
    else:
        target = _joined_target(address)
        if spec.authority is None:
            options.append(("grpc.default_authority", address[0]))
        if spec.mode == "unary":
            options.append(("grpc.service_config", _ROUND_ROBIN))
    if spec.authority is not None:
        options.append(("grpc.default_authority", spec.authority))
        host = re.sub(r":\d+$", "", spec.authority).strip("[]")
        options.append(("grpc.ssl_target_name_override", host))
    if spec.tls is None:
        return grpc.insecure_channel(target, options=options)
    return grpc.secure_channel(target, _credentials(spec.tls), options=options)


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


def _host(address: str) -> str:
    """The host of "host:port"; the whole of an address with a scheme (`unix:`, `dns:`, …)."""
    match = re.fullmatch(r"(\[[^]]+\]|[^:]+):(\d+)", address)
    if match:
        return match[1].strip("[]")
    if re.match(r"(unix|unix-abstract|dns|ipv4|ipv6|vsock|xds):", address):
        return address
    raise TransportError(
        f"{address!r} is not HOST:PORT",
        key="transport.address",
        hint="for instance localhost:9000",
    )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _joined_target(addresses: Sequence[str]) -> str:
    """One gRPC target for several addresses: IP addresses of one family."""
    found: list[dict[int, str]] = []  # the IP address of each, by family
    for each in addresses:
        host, port = each.rsplit(":", 1)
        try:
            infos = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
        except (OSError, ValueError) as error:
            raise TransportError(
                f"cannot connect to {each} (no such host)",
                key="transport.address",
                hint="correct the host name",
            ) from error
        found.append({info[0]: str(info[4][0]) for info in reversed(infos)})
    ports = [each.rsplit(":", 1)[1] for each in addresses]
    for family, scheme, form in (
        (socket.AF_INET, "ipv4", "{}:{}"),
        (socket.AF_INET6, "ipv6", "[{}]:{}"),
    ):
        if all(family in each for each in found):
            pairs = zip(found, ports, strict=True)
            return f"{scheme}:" + ",".join(form.format(p[family], port) for p, port in pairs)
    raise TransportError(
        "some of these addresses have IPv4 only and others IPv6 only", key="transport.address"
    )


def _credentials(tls: Tls) -> grpc.ChannelCredentials:
    if (tls.cert is None) != (tls.key is None):
        missing = "key" if tls.key is None else "cert"
        raise TransportError(
            "a client certificate needs both `cert` and `key`", key=f"transport.tls.{missing}"
        )
    return grpc.ssl_channel_credentials(
        root_certificates=_read(tls.ca, "ca"),
        private_key=_read(tls.key, "key"),
        certificate_chain=_read(tls.cert, "cert"),
    )


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
