"""Where runs are recorded.

Each word is a file here.
"""
