"""Adversarial losses, one a file."""
