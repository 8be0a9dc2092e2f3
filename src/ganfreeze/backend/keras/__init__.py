"""Keras 2 or Keras 3, side by side in one environment.

No module outside `ganfreeze.backend` imports a Keras.
"""
