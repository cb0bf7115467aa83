"""The chain: compile a flow and its open parts into one observable; its stages, queues and end."""
