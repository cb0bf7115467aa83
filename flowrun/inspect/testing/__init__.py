"""Run flows as tests: find and isolate them, run each in its process, compare and report."""
