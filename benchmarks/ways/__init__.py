"""How the same work can be done, one module for each way: `run(job)` does it and says how it went.

What a module imports is loaded before the clocks start.
"""
