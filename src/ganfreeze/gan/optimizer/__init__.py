"""Optimizers, one in each file."""
