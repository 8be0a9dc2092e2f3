"""Pairs of networks, one a file."""
