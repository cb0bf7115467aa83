"""A small HTTP server on threads of its own, for pages, figures and probes."""
