"""The mechanism that keeps the frozen network still.

Each word is a file here, a subclass of `base.Strategy`. Code that several of them share is in `engine`.
"""
