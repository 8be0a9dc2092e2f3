"""Keras 3 on its TensorFlow backend."""

import os
from types import ModuleType
from typing import Any

from ganfreeze.backend import tensorflow as tf


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


class Batches:
    """`train_on_batch` of a compiled model, again and again.

    The first call is Keras' own. From then on the train function is called alone: Keras 3 reads the `trainable` flags
    when it traces that, or run eagerly in it, so what `train_on_batch` does around it, metrics reset and results
    fetched, has nothing to do with what is trained.
    """

    def __init__(self, model: Any) -> None:
        self._model, self._begun = model, False

    def train(self, examples: Any, labels: Any) -> None:
        """Train on one batch: tensors, or a list of them, and labels."""
        if self._begun:
            self._model.train_function(iter([(examples, labels, None)]))
        else:
            self._model.train_on_batch(examples, labels, return_dict=True)
            self._begun = True
