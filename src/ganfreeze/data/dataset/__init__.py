"""The images or points that the networks are trained on.

Each word is a file here.
"""
