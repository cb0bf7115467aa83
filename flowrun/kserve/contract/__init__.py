"""The contract between flow and model: signatures, their comparison, suggestions."""
