"""A page about a run that is over, made of what it has left: its summary, and a line per frame."""
