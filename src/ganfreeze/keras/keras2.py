"""Keras 2, which lives on as the package tf_keras."""

from types import ModuleType

from ganfreeze import tensorflow as tf


def load() -> ModuleType:
    """Return the module `tf_keras`."""
    tf.version  # noqa: B018  # TensorFlow first, so that its start-up noise is held back
    import tf_keras

    return tf_keras
