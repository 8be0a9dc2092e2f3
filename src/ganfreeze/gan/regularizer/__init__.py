"""Regularizers: penalties on the loss and bounds on the weights, one in each file."""
