"""Draw the compiled chain as text or Mermaid, from the flow alone."""
