"""Video input and output: sources, sinks, and the codecs that they use."""
