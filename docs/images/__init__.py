"""The pictures of README and docs/gallery.md, and the command that makes them: `python -m
docs.images`."""
