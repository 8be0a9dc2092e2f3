"""A penalty on the loss, or a bound on the weights.

Each word is a file here.
"""
