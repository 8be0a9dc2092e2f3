"""Keras layers with faster operations for a processor.

They have the names of Keras' own layers and give the same results, up to rounding. On a GPU they are Keras' own layers,
because GPU libraries were not measured.
"""
