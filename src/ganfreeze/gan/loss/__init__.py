"""The losses of both networks.

Each word is a file here.
"""
