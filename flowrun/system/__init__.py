"""Services of the operating system: memory allocation, and an HTTP server."""
