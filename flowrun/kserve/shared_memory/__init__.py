"""Tensors in shared memory with a server on the same machine."""
