"""Code that runs in an environment of its own, without flowrun: it imports the standard library,
numpy, and the packages that a model's docstring names."""
