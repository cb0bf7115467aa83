"""Everything about KServe v2 model servers: the client and the embedded server."""
