"""The case *live camera*: cameras of 30 fps, a model that takes 100 ms, frames that are dropped."""
