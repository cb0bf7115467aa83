"""What a flow costs, foreseen from the flow alone or with the figures of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flowrun.cli import main
from flowrun.inspect.budget import Budget, Machine, Measured, budget, by_server, carries, measured
from flowrun.inspect.budget import total as total_of
from flowrun.inspect.budget_text import as_text
from flowrun.ledger.ledger import Ledger
from flowrun.ledger.summary import summarize
from flowrun.spec.load import load_flow

MACHINE = Machine(cores=2, memory_bytes=24 * 2**30)


def of(tmp_path: Path, *lines: str, figures: Measured = Measured(), name: str = "f") -> Budget:  # noqa: B008
    path = tmp_path / f"{name}.yaml"
    keys = {
        "source": "test:1920x1080@30",
        "transport": "{mode: unary, address: 'ovms:9000', model: m}",
        "sink": "'null'",
    } | {line.partition(":")[0]: line.partition(":")[2].strip() for line in lines}
    path.write_text("version: 1\n" + "".join(f"{key}: {it}\n" for key, it in keys.items()))
    return budget(load_flow(path), figures)


def test_raw_1080p30_takes_1493_megabit_each_way(tmp_path: Path) -> None:
    found = of(tmp_path)
    assert (found.to_server_mbits, found.from_server_mbits) == (1493.0, 1493.0)
    assert next(iter(carries(found, MACHINE))).startswith("a gigabit link")


@pytest.mark.parametrize(
    ("lines", "mbits"),
    [
        (["preprocess: [{hook: letterbox, with: {size: 300x300}}]"], 300 * 300 * 3),
        (["preprocess: [{hook: resize, with: {size: [640, 360]}}, to_tensor]"], 640 * 360 * 12),
        (["preprocess: [{hook: align, with: {width: 7, height: 64}}]"], 1925 * 1088 * 3),
        (["preprocess: [{hook: to_tensor, with: {dtype: fp16}}]"], 1920 * 1080 * 6),
        (["transport: {mode: unary, address: 'a:1', model: m, dtype: fp32}"], 1920 * 1080 * 12),
        (["transport: {mode: unary, address: 'a:1', model: m, encoding: jpeg}"], 1920 * 1080 / 10),
        (["transport: {mode: unary, address: 'a:1', model: m, shared_memory: system}"], 0),
    ],
)
def test_what_is_sent_is_the_picture_after_the_hooks(
    tmp_path: Path, lines: list[str], mbits: float
) -> None:
    assert of(tmp_path, *lines).to_server_mbits == pytest.approx(mbits * 240 / 1e6, abs=0.1)


def test_requests_in_flight_follow_littles_law(tmp_path: Path) -> None:
    assert of(tmp_path).in_flight is None
    assert of(tmp_path).round_trip_ms == pytest.approx(133.3)
    found = of(tmp_path, figures=Measured(round_trip=0.2))
    assert (found.in_flight, found.window) == (6.0, 4)
    assert "6.0 on average with 200 ms, at most 4 requests in flight: too few" in as_text(
        [found], MACHINE
    )


def test_a_source_of_unknown_size_is_assumed_and_said(tmp_path: Path) -> None:
    found = of(tmp_path, "source: rtsp://cam/1")
    assert (found.width, found.height, found.fps) == (1920, 1080, 30)
    assert found.notes[0] == "1920x1080 at 30 fps is assumed: give source.size and source.fps"
    found = of(tmp_path, "source: rtsp://cam/1", figures=Measured((640, 360), 15.0))
    assert (found.width, found.height, found.fps) == (640, 360, 15)
    assert not any("assumed" in note for note in found.notes)


def test_hooks_of_the_user_cannot_be_foreseen_and_are_named(tmp_path: Path) -> None:
    found = of(tmp_path, "postprocess: ['mine:count', draw_clock]")
    assert "the cost of hooks of your own cannot be foreseen: mine:count" in found.notes


def test_measured_figures_replace_the_rough_ones(tmp_path: Path) -> None:
    figures = Measured(cpu_per_frame=0.01, memory=200e6)
    found = of(tmp_path, figures=figures)
    assert (found.cores, found.memory_bytes, found.measured) == (0.3, 200_000_000, True)
    assert carries(found, MACHINE)["cores"] == pytest.approx(2 / 0.3)


def test_the_figures_come_from_a_summary() -> None:
    summary: dict[str, Any] = summarize(
        Ledger(), "f", cpu_s=3.0, memory_bytes=9, picture=[64, 48]
    ).to_json()
    summary |= {"captured": 100, "period_ms": 40.0}
    summary["latency_ms"]["transport"]["p50"] = 20.0
    assert measured(summary) == Measured((64, 48), 25.0, 0.03, 0.02, 9)


def test_flows_add_up_at_each_server_and_several_addresses_share(tmp_path: Path) -> None:
    two = "transport: {mode: unary, address: ['a:1', 'b:1'], model: m}"
    one = "transport: {mode: unary, address: 'a:1', model: m}"
    budgets = [of(tmp_path, two), of(tmp_path, one)]
    servers = by_server(budgets)
    assert servers["a:1"] == {"to": pytest.approx(2239.5, abs=0.2), "from": 2239.5, "window": 6.0}
    assert servers["b:1"]["to"] == pytest.approx(746.5)
    assert total_of(budgets).to_server_mbits == 2986.0


def test_a_server_on_this_machine_does_not_use_the_link(tmp_path: Path) -> None:
    found = of(tmp_path, "transport: {mode: stream, address: embedded, model: edges}")
    assert list(carries(found, MACHINE)) == ["cores", "memory"]


def test_validate_prints_the_budget_of_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of(tmp_path, name="one"), of(tmp_path, name="two")
    assert main(["validate", "--budget", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("2 flows checked: no problems\none: 1920x1080 at 30 fps\n")
    assert "to ovms:9000: 2986 Mbit/s, back 2986 Mbit/s, at most 8 requests in flight" in text
    assert main(["validate", "--budget", str(tmp_path), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["flow"] for each in found["budget"]["flows"]] == ["one", "two"]
    assert found["valid"] is True


def test_a_wrong_size_of_a_hook_is_reported_and_not_an_error_of_the_budget(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of(tmp_path, "preprocess: [{hook: letterbox, with: {size: [300]}}]")
    assert main(["validate", "--budget", str(tmp_path)]) == 78
    assert "a size in pixels" in capsys.readouterr().out


def test_tests_are_not_in_the_budget_of_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of(tmp_path, name="one")
    test = tmp_path / "one.test.yaml"
    test.write_text("extends: one.yaml\nlimits: {frames: 3}\n")
    assert main(["validate", "--budget", str(tmp_path), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["files"]) == 2
    assert [each["flow"] for each in found["budget"]["flows"]] == ["one"]
    assert main(["validate", "--budget", str(test)]) == 0
    assert "one.test: 1920x1080" in capsys.readouterr().out


def test_an_earlier_summary_needs_the_budget_and_has_to_be_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of(tmp_path)
    assert main(["validate", str(tmp_path), "--from", "x.json"]) == 2
    assert main(["validate", str(tmp_path), "--budget", "--from", "x.json"]) == 2
    assert "x.json: No such file" in capsys.readouterr().err
