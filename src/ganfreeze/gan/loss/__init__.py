"""Adversarial losses, one in each file."""
