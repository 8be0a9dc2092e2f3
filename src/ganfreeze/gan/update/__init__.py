"""The algorithms of a training step, one a file."""
