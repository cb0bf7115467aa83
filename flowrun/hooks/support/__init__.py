"""Options, decoding, drawing and labels, shared by the hooks."""
