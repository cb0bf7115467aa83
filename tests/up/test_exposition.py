from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from flowrun.up.exposition import gauge, merge

ONE = """# HELP flowrun_frames_total Frames by fate and cause.
# TYPE flowrun_frames_total counter
flowrun_frames_total{flow="a",fate="delivered"} 3.0
# HELP process_open_fds Number of open file descriptors.
# TYPE process_open_fds gauge
process_open_fds 7.0
"""
OTHER = ONE.replace('"a"', '"b, \\"c\\""')


def test_each_family_is_there_once_and_each_series_has_its_flow() -> None:
    merged = merge({"a": ONE, 'b, "c"': OTHER})
    assert merged.count("# TYPE flowrun_frames_total") == 1
    samples = [
        (sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(merged)
        for sample in family.samples
    ]
    assert samples == [
        ("flowrun_frames_total", {"flow": "a", "fate": "delivered"}, 3.0),
        ("flowrun_frames_total", {"flow": 'b, "c"', "fate": "delivered"}, 3.0),
        ("process_open_fds", {"flow": "a"}, 7.0),
        ("process_open_fds", {"flow": 'b, "c"'}, 7.0),
    ]


def test_a_flow_without_metrics_costs_nothing_but_its_own() -> None:
    assert merge({"a": ONE, "b": "", "c": "no metrics\n"}) == merge({"a": ONE})


def test_a_gauge_by_flow() -> None:
    (family,) = text_string_to_metric_families(gauge("up", "Is it?", {"a": 1, 'q"': 0}))
    assert [(s.labels["flow"], s.value) for s in family.samples] == [("a", 1), ('q"', 0)]
