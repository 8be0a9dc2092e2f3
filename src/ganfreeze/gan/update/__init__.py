"""The algorithm of a training step: order, batches and noise.

Each word is a file here.
"""
