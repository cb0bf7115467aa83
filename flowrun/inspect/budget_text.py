"""A budget as text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from flowrun.inspect.budget import Budget, Machine, by_server, carries, total
from flowrun.spec.secrets import redact


def as_text(budgets: Sequence[Budget], machine: Machine) -> str:
    """A paragraph for each flow, then what all of them need of servers and of the machine; without
    a final line end."""
    lines = [line for each in budgets for line in _flow(each, machine)]
    if len(budgets) > 1:
        lines += ["all flows"]
        lines += [
            f"  to {redact(address)}: {server['to']:.0f} Mbit/s, back {server['from']:.0f} Mbit/s,"
            f" at most {server['window']:.0f} requests in flight"
            for address, server in by_server(budgets).items()
        ]
        whole = total(budgets)
        lines += [f"  memory: {_size(whole.memory_bytes)}, cores: {whole.cores:.2f}"]
        lines += [_verdict(whole, machine)]
    return "\n".join(lines)


def _flow(each: Budget, machine: Machine) -> list[str]:
    limit = f"at most {each.window} requests in flight"
    if each.in_flight is None:
        flight = f"{limit}: enough for a round trip of up to {each.round_trip_ms:.0f} ms"
    else:
        flight = f"{each.in_flight:.1f} on average with {each.round_trip_ms:.0f} ms, {limit}"
        if each.in_flight > each.window:
            flight += ": too few for every frame"
    server = redact(", ".join(each.servers))
    return [
        f"{each.flow}: {each.width}x{each.height} at {each.fps:g} fps",
        f"  from the source: {each.source_mbits:.1f} Mbit/s, compressed",
        f"  to {server}: {each.to_server_mbits:.0f} Mbit/s, back"
        f" {each.from_server_mbits:.0f} Mbit/s",
        f"  in flight: {flight}",
        f"  memory: {_size(each.memory_bytes)}, cores: {each.cores:.2f}"
        f" ({'measured' if each.measured else 'estimated'})",
        *(f"  note: {note}" for note in each.notes),
        _carried(each, machine),
    ]


def _carried(each: Budget, machine: Machine) -> str:
    """How many such flows the machine carries, and the two resources that give out first."""
    found = carries(each, machine)
    first = next(iter(found))
    listed = ", ".join(f"{name} for {number:.1f}" for name, number in islice(found.items(), 4))
    return (
        f"  this machine ({_machine(machine)}) carries {int(found[first])} such flows;"
        f" {first} gives out first ({listed})"
    )


def _verdict(whole: Budget, machine: Machine) -> str:
    first, number = next(iter(carries(whole, machine).items()))
    enough = "carries them" if number >= 1 else "does not carry them"
    return f"  this machine ({_machine(machine)}) {enough}: {first} is the tightest"


def _machine(machine: Machine) -> str:
    memory = "" if machine.memory_bytes is None else f", {_size(machine.memory_bytes)}"
    return f"{machine.cores} cores{memory}"


def _size(size: float) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
