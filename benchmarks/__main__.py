"""`python -m benchmarks`: measure every published figure on this machine; `live` only those of the
live camera."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import measure, picture, table
from benchmarks.cases import BARE, CASES, FLOOR, SIDE_BY_SIDE, windows
from benchmarks.live import compare as live
from benchmarks.measure import Clip
from benchmarks.picture import Plot
from benchmarks.servers import Servers

FULL = ("640x360", "1280x720", "1920x1080")
IDLE = "64x48"  # so small that pictures cost next to nothing


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("only", nargs="?", choices=("live",), help="measure only the live camera")
    parser.add_argument("--quick", action="store_true", help="one short round, as a smoke test")
    parser.add_argument("--sizes", default=",".join(FULL), help="the last one is the main one")
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out")
    options = parser.parse_args(words)
    if options.quick:
        options.sizes, options.frames, options.rounds = "160x96,320x180", 10, 1
    options.out.mkdir(parents=True, exist_ok=True)
    if options.only == "live":
        _only_live(options)
        return
    alone = chain(1_000 if options.quick else 10_000, options.rounds)  # before the servers run
    with tempfile.TemporaryDirectory() as folder, Servers() as servers:
        found = {**everything(options, Path(folder), servers), **alone}
        found["live"] = live.everything(Path(folder), options.rounds, quick=options.quick)
    (options.out / "benchmarks.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    (options.out / "benchmarks.svg").write_text(picture.svg(plots(found)), encoding="utf-8")
    print(f"\n{report(found)}\n\n{options.out}/benchmarks.json, {options.out}/benchmarks.svg")


def _only_live(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = live.everything(Path(folder), options.rounds, quick=options.quick)
    found = {**_circumstances(), "rounds": options.rounds, **found}
    path = options.out / "live.json"
    path.write_text(json.dumps(found, indent=1), encoding="utf-8")
    print(f"\n{found['date']}, {found['machine']}, {found['rounds']} rounds")
    print(f"\n{live.text(found)}\n\n{path}")


def _circumstances() -> dict[str, Any]:
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {sys.version.split()[0]}",
    }


def everything(options: argparse.Namespace, folder: Path, servers: Servers) -> dict[str, Any]:
    """The content of the JSON file, without the figures of the chain and of the live camera."""
    sizes = options.sizes.split(",")
    clips = [measure.clip(folder, size, options.frames) for size in sizes]
    main, rounds = clips[-1], options.rounds
    idle = measure.clip(folder, IDLE, options.frames)
    by_size = {FLOOR: CASES[FLOOR], "flowrun": CASES["flowrun"]}
    without = skipped(servers)
    possible = {name: case for name, case in CASES.items() if name not in without}
    compared = {"compared": measure.rounds(possible, main, folder, servers, rounds)}
    compared["windows"] = measure.rounds(windows(), main, folder, servers, rounds)
    for size, clip in zip(sizes[:-1], clips, strict=False):
        compared[f"sizes {size}"] = measure.rounds(by_size, clip, folder, servers, rounds)
    still = measure.rounds({"idle": CASES["flowrun"]}, idle, folder, servers, rounds)
    return {
        **_circumstances(),
        "size": sizes[-1],
        "frames": options.frames,
        "rounds": rounds,
        "skipped": without,
        **{name: table.rows(each) for name, each in compared.items()},
        "memory_frames": {
            case: _memory(compared["compared"][case], still["idle"], main)
            for case in (BARE, "flowrun")
        },
        "side_by_side": _side_by_side(main, folder, servers, (1, 2) if options.quick else None),
    }


def skipped(servers: Servers) -> dict[str, str]:
    """The cases whose server is missing, with the reason."""
    return {
        name: servers.missing[case.server]
        for name, case in CASES.items()
        if case.server in servers.missing
    }


def _memory(
    busy: Sequence[measure.Measured], idle: Sequence[measure.Measured], clip: Clip
) -> float:
    """Peak memory of a run above that of one with tiny pictures, in frames."""
    above = median(each.rss_bytes for each in busy) - median(each.rss_bytes for each in idle)
    return above / (clip.megabytes * 1e6)


def chain(frames: int, rounds: int) -> dict[str, list[dict[str, float]]]:
    """The cost of the chain on all cores and, where the system has CPU affinity, on one core."""
    found: dict[str, list[dict[str, float]]] = {"chain": [], "chain_one_core": []}
    for _ in range(rounds):
        found["chain"].append(_chain(frames))
        if hasattr(os, "sched_setaffinity"):
            found["chain_one_core"].append(_chain(frames, "one"))
    return found


def _chain(frames: int, *words: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.chain", str(frames), *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=measure.LIMIT)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _side_by_side(
    clip: Clip, folder: Path, servers: Servers, counts: Sequence[int] | None
) -> list[dict[str, float]]:
    found = []
    for count in counts or SIDE_BY_SIDE:
        each = measure.side_by_side(CASES["flowrun"], clip, folder, servers, count)
        frames, longest = sum(one.frames for one in each), max(one.seconds for one in each)
        cpu = sum(one.cpu for one in each)
        found.append({"flows": count, "fps": frames / longest, "cpu_ms": cpu / frames * 1000})
    return found


def plots(found: dict[str, Any]) -> list[list[Plot]]:
    """fps, CPU and latency by picture size, and by window."""
    sizes = [name.split()[1] for name in found if name.startswith("sizes ")]
    rows = [*(found[f"sizes {size}"] for size in sizes), found["compared"]]
    cases = (FLOOR, "flowrun")
    counts = [row["case"].split()[-1] for row in found["windows"]]
    titles = {"fps": "frames per second", "cpu_ms": "client CPU, ms per frame"}
    titles["p50_ms"] = "latency, median, ms"
    against_size = [
        Plot(
            f"{title}, by size",
            [*sizes, found["size"]],
            {
                case: [row[key] for each in rows for row in each if row["case"] == case]
                for case in cases
            },
        )
        for key, title in titles.items()
    ]
    against_window = [
        Plot(f"{title}, by window", counts, {"flowrun": [row[key] for row in found["windows"]]})
        for key, title in titles.items()
    ]
    return [against_size, against_window]


def report(found: dict[str, Any]) -> str:
    """The figures as text."""
    parts = [
        f"{found['date']}, {found['machine']}: {found['size']}, {found['frames']} frames,"
        f" {found['rounds']} rounds; medians (smallest to largest)",
        table.text(found["compared"]),
        *(f"{name}: skipped, {why}" for name, why in found["skipped"].items()),
        table.text(found["windows"]),
    ]
    wall, cpu, growth = (
        median(one[key] for one in found["chain"]) for key in ("wall_us", "cpu_us", "growth")
    )
    one_core = [one["cpu_us"] for one in found["chain_one_core"]]
    pinned = f"; {median(one_core):.0f} µs on one core" if one_core else ""
    parts.append(f"chain: {cpu:.0f} µs of CPU per frame ({wall:.0f} µs wall){pinned}")
    parts.append(f"growth, CPU of the last tenth of the frames by the first: {growth:.2f}")
    parts += [
        f"memory above an idle run of flowrun: {frames:.1f} frames for {case}"
        for case, frames in found["memory_frames"].items()
    ]
    parts += [
        f"{one['flows']} side by side: {one['fps']:.1f} fps, {one['cpu_ms']:.1f} ms of CPU a frame"
        for one in found["side_by_side"]
    ]
    parts.append(live.text(found["live"]))
    return "\n\n".join(parts)


if __name__ == "__main__":
    main()
