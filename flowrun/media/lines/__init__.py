"""JSON lines: one for each frame, and the conversion of values to JSON."""
