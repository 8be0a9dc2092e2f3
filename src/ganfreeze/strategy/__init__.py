"""The mechanisms that keep the frozen network still: one mechanism a file, each a subclass of `base.Strategy`.

Code that several of them share is in `engine`.
"""
