"""How the learning rates change during training.

Each word is a file here.
"""
