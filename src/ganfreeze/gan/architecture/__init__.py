"""Architectures: pairs of a generator and a discriminator, one in each file."""
