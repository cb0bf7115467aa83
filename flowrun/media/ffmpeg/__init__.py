"""Decoding, encoding and cameras with ffmpeg processes."""
