"""What to connect to for an address of the flow."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass

from flowrun.errors import TransportError


@dataclass(frozen=True, slots=True)
class Target:
    """`ip` is one of several IP addresses of the host in `address`, with the port; `None`: gRPC
    looks the host up."""

    address: str  # of the flow
    ip: str | None = None

    def __str__(self) -> str:
        return self.address if self.ip is None else f"{self.ip} ({self.address})"

    @property
    def is_local(self) -> bool:
        """Whether it is this machine, which no proxy can reach."""
        host = host_of(self.ip or self.address)
        try:
            return host == "localhost" or ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False


def host_of(address: str) -> str:
    """The host of "host:port"; the whole of an address with a scheme (`unix:`, `dns:`, …). Raises
    `TransportError` for anything else."""
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


def has_name(address: str) -> bool:
    """Whether the host is a name, which may have several IP addresses."""
    host = host_of(address)
    return host != address and not re.fullmatch(r"[0-9.]+|.*:.*", host)


def look_up(address: str) -> tuple[Target, ...]:
    """The targets of `address`, whose host is looked up: one for each IP address if it has several
    of a family. One IPv4 and one IPv6 address are taken for the same server, which gRPC reaches by
    either. Raises `OSError` if there is no such host; blocks as long as the system's resolver."""
    if not has_name(address):
        return (Target(address),)
    port = address.rpartition(":")[2]
    found: dict[int, dict[str, None]] = {socket.AF_INET: {}, socket.AF_INET6: {}}
    for family, *_, place in socket.getaddrinfo(host_of(address), port, type=socket.SOCK_STREAM):
        if family in found:
            found[family][str(place[0])] = None
    ips = [f"{ip}:{port}" for ip in found[socket.AF_INET]]
    if len(found[socket.AF_INET6]) > len(ips):
        ips = [f"[{ip}]:{port}" for ip in found[socket.AF_INET6]]
    return tuple(Target(address, ip) for ip in ips) if len(ips) > 1 else (Target(address),)
