"""Real servers for tests and benchmarks: how they are started, and the models that they serve.

The scripts `run_*.py` and their models run in environments of their own, without flowrun.
"""
