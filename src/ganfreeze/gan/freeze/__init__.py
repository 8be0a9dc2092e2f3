"""Choices of discriminator layers that stay frozen even in the discriminator phase, one in each file."""
