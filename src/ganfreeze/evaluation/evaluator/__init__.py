"""What computes metrics from samples.

Each word is a file here. `base.py` has what they share.
"""
