"""Ways to do the same work, one module each: `ready(job)` returns a call that does it.

Imports and `ready` are not measured.
"""
