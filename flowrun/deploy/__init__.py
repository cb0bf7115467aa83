"""Manifests for Kubernetes, made from flows."""
