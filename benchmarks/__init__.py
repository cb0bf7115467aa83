"""What flowrun costs, measured beside what its work costs at least. See docs/benchmarks.md."""
