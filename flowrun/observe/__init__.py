"""Report a run while it runs: Prometheus metrics, health, status and traces."""
