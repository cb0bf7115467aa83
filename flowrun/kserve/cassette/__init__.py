"""Cassettes: what a model server answered during a run, in a file, and a channel that answers from
it. docs/testing-flows.md describes the format."""
