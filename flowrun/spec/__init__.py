"""Load, validate and describe flows: YAML, overrides, variables, schema, messages."""
