"""What runs in an environment of its own, without flowrun: the standard library, numpy, and what a
model's docstring names."""
