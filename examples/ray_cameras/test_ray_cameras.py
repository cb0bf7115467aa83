"""Two nodes, of which the one with the camera is killed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
import ray_cameras
from ray.cluster_utils import Cluster

FLOWS = Path(__file__).with_name("flows")
LIMIT = 60  # seconds; a guard against hanging
MEMORY = 80_000_000  # bytes, the least that Ray accepts for objects, of which there are none here


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A head that takes no cameras, and two nodes with a core each."""
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": MEMORY}
        cluster = Cluster(initialize_head=True, head_node_args={**head, "temp_dir": folder})
        for _ in range(2):
            cluster.add_node(wait=False, num_cpus=1, object_store_memory=MEMORY)
        try:
            cluster.wait_for_nodes()
            ray.init(cluster.address, namespace=ray_cameras.NAMESPACE, log_to_driver=False)
            yield cluster
        finally:
            ray.shutdown()
            cluster.shutdown()


def command(cluster: Cluster, *words: str | Path) -> str:
    """What `python -m ray_cameras …` prints."""
    done = subprocess.run(
        [sys.executable, "-m", "ray_cameras", *map(str, words)],
        cwd=Path(__file__).parent,
        env={**os.environ, "RAY_ADDRESS": cluster.address},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def runs_once(condition: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
    """The runs of the camera, once they meet `condition`."""
    end = time.monotonic() + LIMIT
    while not condition(runs := ray_cameras.status().get("gate", [])):
        assert time.monotonic() < end, runs
        time.sleep(0.1)
    return runs


def delivers(runs: list[dict[str, Any]], count: int) -> bool:
    return len(runs) == count and runs[-1]["summary"]["delivered"] > 0


def test_a_camera_on_a_killed_node_runs_on_the_other_one_and_its_ledger_is_kept(
    cluster: Cluster,
) -> None:
    command(cluster, "up", FLOWS)
    (first,) = runs_once(lambda runs: delivers(runs, 1))
    (node,) = (node for node in cluster.worker_nodes if node.node_id == first["node"])
    cluster.remove_node(node, allow_graceful=False)

    lost, second = runs_once(lambda runs: delivers(runs, 2))
    assert lost["state"] == "node died"
    assert lost["summary"]["captured"] >= lost["summary"]["delivered"] > 0
    assert lost["summary"]["run"] != second["summary"]["run"]
    assert second["state"] == "running"
    assert second["node"] in {node.node_id for node in cluster.worker_nodes} - {first["node"]}
    so_far = ray.get(ray.get_actor("gate").summary.remote())
    assert so_far["captured"] >= second["summary"]["captured"]

    name, before, after = command(cluster, "down").splitlines()
    assert name == "gate"
    assert before == ray_cameras.line(lost)
    assert after.startswith(f"  stopped (node {second['node'][:8]}): captured ")
    assert after.endswith(" + aborted 0 + in flight 0")
    with pytest.raises(ValueError, match="gate"):
        ray.get_actor("gate")
