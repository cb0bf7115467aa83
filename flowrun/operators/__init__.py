"""Operators and schedulers for reactivex: buffers, requests in flight, fan-out, event loops."""
