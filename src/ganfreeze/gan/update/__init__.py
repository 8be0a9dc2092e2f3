"""Algorithms of a training step, one in each file."""
