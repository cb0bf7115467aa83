"""How the same work can be done, one module for each way: `ready(job)` gives a call that does it.

What a module imports is loaded before the clocks start, and what `ready` does is done.
"""
