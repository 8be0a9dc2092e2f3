"""A penalty on the loss, under `tape`, `train_step` or `tfgan`, or a bound on the weights.

Each word is a file here.
"""
