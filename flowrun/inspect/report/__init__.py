"""Make an HTML report of a finished run from its summary and the file of its .jsonl sink."""
