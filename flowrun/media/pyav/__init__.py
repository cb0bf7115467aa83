"""Decoding and encoding in this process with PyAV, an optional dependency."""
