"""Keras 3 on its TensorFlow backend."""

import os
from types import ModuleType

from ganfreeze import tensorflow as tf


def load() -> ModuleType:
    """Return the module `keras`.

    Raises:
        RuntimeError: Keras was already loaded with another backend.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    tf.version  # noqa: B018  # TensorFlow first, so that its start-up noise is held back
    import keras

    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(f"keras runs on {keras.backend.backend()!r}; ganfreeze needs its tensorflow backend")
    return keras
