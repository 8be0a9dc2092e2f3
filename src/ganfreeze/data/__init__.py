"""The data: data sets of images or points, and the batches and noise that a run draws from them and its seed.

The folder dataset is a config group; the other files read file formats, download files and sample mixtures.
"""
