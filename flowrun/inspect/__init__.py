"""Inspect flows and runs: explain, graph, live check, benchmark and report."""
