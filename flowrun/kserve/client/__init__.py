"""The client: connections, metadata, transports and their recovery after outages."""
