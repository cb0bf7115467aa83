"""The hooks that a flow can name, one module each; `support` has what they share."""
