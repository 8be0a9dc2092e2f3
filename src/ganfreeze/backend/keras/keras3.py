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
    tf.version  # noqa: B018  # TensorFlow first: it is imported without its start-up messages
    import keras

    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(f"keras runs on {keras.backend.backend()!r}; ganfreeze needs its tensorflow backend")
    return keras


class BatchTrainer:
    """The batches that a compiled model is trained on, one after another.

    The first call is `train_on_batch` of Keras, which makes the train function. Each later call runs only this train
    function. Keras 3 reads the `trainable` flags when it traces the train function, or, when functions run eagerly,
    each time that it runs. What `train_on_batch` does around it, which is to reset metrics and to fetch results, does
    not change what is trained.
    """

    def __init__(self, model: Any) -> None:
        self._model, self._begun = model, False

    def train(self, examples: Any, labels: Any) -> None:
        """Train on one batch. `examples` is a tensor or a list of tensors."""
        if self._begun:
            self._model.train_function(iter([(examples, labels, None)]))
        else:
            self._model.train_on_batch(examples, labels, return_dict=True)
            self._begun = True
