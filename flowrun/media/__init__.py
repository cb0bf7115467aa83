"""Video in and out of processes: sources, sinks, and ffmpeg beneath them."""
