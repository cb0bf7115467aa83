"""Run each flow of a folder as a detached actor of a Ray cluster, restarted when its node dies."""

from __future__ import annotations

import argparse
import os
import threading
from pathlib import Path
from typing import Any

import ray

from flowrun import Flow, FlowrunError, Run, load_flow

NAMESPACE, LEDGERS = "flowrun", "ledgers of all cameras"
CHECKPOINT = 1.0  # seconds between two summaries that are kept outside the camera's node
RETRY = 10.0  # seconds from a run that has failed to the next one
DRAIN = 60.0  # seconds that `down` waits for the frames in flight
KEPT = 20  # runs of each camera that `status` shows
HEAD = {"node:__internal_head__": 0.001}  # the ledgers live as long as the cluster
DETACHED = {"namespace": NAMESPACE, "lifetime": "detached", "max_restarts": -1}


class Ledgers:
    """The last summaries of all runs, on the head node: they survive the node of a camera."""

    def __init__(self) -> None:
        self._runs: dict[str, list[dict[str, Any]]] = {}

    def note(self, camera: str, node: str, state: str, summary: dict[str, Any]) -> None:
        """Keep the `summary` of a run. If it is a new one, the one before was killed or failed."""
        runs = self.status().setdefault(camera, [])
        if not runs or runs[-1]["summary"]["run"] != summary["run"]:
            if runs and runs[-1]["state"] == "running":  # and its node is alive
                runs[-1]["state"] = "process died"
            runs.append({})
            del runs[:-KEPT]
        runs[-1].update(node=node, state=state, summary=summary)

    def status(self) -> dict[str, list[dict[str, Any]]]:
        """The last runs of each camera, oldest first: `node`, `state` and the latest `summary`."""
        alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
        for run in (run for runs in self._runs.values() for run in runs):
            if run["state"] == "running" and run["node"] not in alive:
                run["state"] = "node died"
        return self._runs


class Camera:
    """A run of a flow, in a thread. After an error the process ends, and Ray starts another."""

    def __init__(self, name: str, flow: Flow, ledgers: Any) -> None:
        self._name, self._ledgers, self._run = name, ledgers, Run(flow)
        self._node = ray.get_runtime_context().get_node_id()
        self._stopped, self._error = threading.Event(), ""
        ray.get(self._note("running"))
        self._live = threading.Thread(target=self._watch, daemon=True)
        self._live.start()

    def summary(self) -> dict[str, Any]:
        return self._run.summary().to_json()

    def stop(self) -> dict[str, Any]:
        """Finish the frames in flight, and return the final summary."""
        self._stopped.set()
        self._run.stop()
        self._live.join()
        return self.summary()

    def _note(self, state: str) -> Any:
        return self._ledgers.note.remote(self._name, self._node, state, self.summary())

    def _watch(self) -> None:
        running = threading.Thread(target=self._go, daemon=True)
        running.start()
        while running.is_alive():
            self._note("running")
            running.join(CHECKPOINT)
        ray.get(self._note(self._error or ("stopped" if self._stopped.is_set() else "ended")))
        if self._error and not self._stopped.wait(RETRY):
            os._exit(1)

    def _go(self) -> None:
        try:
            self._run.run()
        except Exception as error:  # a hook may raise any, and `status` must show it
            self._error = f"failed: {error}"


def up(folder: Path, cpus: float) -> None:
    """Place each `*.yaml` in `folder`, unless a camera of that name is placed already."""
    flows = {path.stem: load_flow(path) for path in sorted(folder.glob("*.yaml"))}  # all are valid
    head = {"name": LEDGERS, "get_if_exists": True, "num_cpus": 0, "resources": HEAD, **DETACHED}
    ledgers = ray.remote(Ledgers).options(**head).remote()
    placed = ray.util.list_named_actors()
    for name in [name for name in flows if name not in placed]:
        options = {"name": name, "num_cpus": cpus, "max_concurrency": 4, **DETACHED}
        ray.remote(Camera).options(**options).remote(name, flows[name], ledgers)


def status() -> dict[str, list[dict[str, Any]]]:
    """The `status` of the ledgers; a camera without a run waits for a node."""
    known: dict[str, Any] = ray.get(ray.get_actor(LEDGERS).status.remote())
    return {name: [] for name in ray.util.list_named_actors() if name != LEDGERS} | known


def down() -> dict[str, list[dict[str, Any]]]:
    """Stop all cameras; returns the last `status`."""
    actors = {name: ray.get_actor(name) for name in ray.util.list_named_actors()}
    stopping = [actor.stop.remote() for name, actor in actors.items() if name != LEDGERS]
    if stopping:
        ray.wait(stopping, num_returns=len(stopping), timeout=DRAIN)
    last = status()
    for actor in actors.values():
        ray.kill(actor)
    return last


def line(run: dict[str, Any]) -> str:
    """The ledger of a run. Frames without a fate were in flight when the summary was noted."""
    fates = {name: run["summary"][name] for name in ("delivered", "dropped", "failed", "aborted")}
    counts = {name: sum(n.values()) if isinstance(n, dict) else n for name, n in fates.items()}
    captured = run["summary"]["captured"]
    counts["in flight"] = captured - sum(counts.values())
    terms = " + ".join(f"{name} {n}" for name, n in counts.items())
    return f"  {run['state']} (node {run['node'][:8]}): captured {captured} = {terms}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m ray_cameras", description=__doc__)
    parser.add_argument("command", choices=["up", "status", "down"])
    parser.add_argument("flows", type=Path, nargs="?", default=Path(), help="folder, for `up`")
    parser.add_argument("--cpus", type=float, default=1.0, help="cores to reserve for each flow")
    chosen = parser.parse_args()
    ray.init(address="auto", namespace=NAMESPACE, log_to_driver=False, logging_level="error")
    try:
        if chosen.command == "up":
            up(chosen.flows, chosen.cpus)
        for name, runs in sorted((down() if chosen.command == "down" else status()).items()):
            print(name, *(map(line, runs) if runs else ["  waits for a node"]), sep="\n")
    except (FlowrunError, ValueError) as error:  # ValueError: no such actor
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
