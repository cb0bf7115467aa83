"""Encoding and decoding of KServe v2 messages and tensors."""
