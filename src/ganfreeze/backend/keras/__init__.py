"""Keras 2 and Keras 3, side by side in one environment. No module outside `ganfreeze.backend` imports a Keras."""
