"""The optimizer, with a learning rate for each network.

Each word is a file here.
"""
