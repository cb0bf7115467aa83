"""Measure the cost of flowrun next to the least cost of the same work. See docs/benchmarks.md."""
