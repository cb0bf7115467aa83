"""The embedded KServe v2 server, and the models that it can serve."""
