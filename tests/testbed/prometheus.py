"""A Prometheus that scrapes runs."""

from __future__ import annotations

import contextlib
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.testbed.process import READY_WITHIN, free_ports, running, wait_until_ready


class Prometheus:
    """The HTTP API of a Prometheus."""

    def __init__(self, address: str) -> None:
        self._url = f"http://{address}"

    def query(self, text: str, at: float) -> list[tuple[dict[str, str], float]]:
        """Labels and values at a time in seconds since the epoch; NaN values are skipped."""
        found = self._get("query", query=text, time=str(at))["result"]
        values = [(each["metric"], float(each["value"][1])) for each in found]
        return [(labels, value) for labels, value in values if value == value]  # noqa: PLR0124

    def rules(self) -> dict[str, tuple[str, str]]:
        """Health and state of each alert."""
        rules = [rule for group in self._get("rules")["groups"] for rule in group["rules"]]
        return {rule["name"]: (rule["health"], rule["state"]) for rule in rules}

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._url}/-/ready", timeout=5):
                return True
        except OSError:
            return False

    def _get(self, what: str, **parameters: str) -> Any:
        url = f"{self._url}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=READY_WITHIN) as response:
                return json.load(response)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise RuntimeError(f"{parameters}: {error.read().decode()}") from error


@contextlib.contextmanager
def prometheus(
    executable: str, log: Path, rules: Path, jobs: Mapping[str, str]
) -> Iterator[Prometheus]:
    """A Prometheus that scrapes the address of each job and evaluates the rules five times a
    second, ready."""
    times = {"scrape_interval": "200ms", "scrape_timeout": "200ms"}
    config = {
        "global": {**times, "evaluation_interval": "200ms"},
        "rule_files": [str(rules)],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [address]}]}
            for job, address in jobs.items()
        ],
    }
    (log.parent / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
    address = f"127.0.0.1:{free_ports(1)[0]}"
    command = [executable, "--config.file=prometheus.yml", "--storage.tsdb.path=data"]
    command.append(f"--web.listen-address={address}")
    with running(command, log) as process:
        found = Prometheus(address)
        wait_until_ready(process, log, found.is_ready)
        yield found
