"""A generator as a TensorFlow module, which needs neither Keras nor ganfreeze when it is loaded."""

from typing import Any

from ganfreeze.backend import tensorflow as tf
from ganfreeze.types import Model, Tensor


def sampling_module(generator: Model) -> Any:
    """Return a `tf.Module` whose `__call__` takes latent vectors, float32 (n, latent_dim), for any n.

    It returns what `Sampler` returns for them: uint8 images (n, height, width, channels), or float32 points. It does
    not check that samples are finite. `tf.saved_model.save` writes it, with the weights that the generator has then;
    Keras's own description of the layers is left out, so both Keras give the same kind of file.
    """
    images = len(generator.output_shape) == 4

    def sample(latent: Tensor) -> Tensor:
        samples = generator(latent, training=False)
        if not images:
            return tf.cast(samples, tf.float32)
        return tf.cast(tf.clip_by_value(tf.round((samples + 1) * 127.5), 0, 255), tf.uint8)

    module = tf.Module()
    # A variable of Keras 3 holds one of TensorFlow.
    module.held = [each if isinstance(each, tf.Variable) else each.value for each in generator.variables]
    signature = [tf.TensorSpec((None, generator.input_shape[-1]), tf.float32, name="latent")]
    module.__call__ = tf.function(sample, autograph=False, input_signature=signature)
    return module
