"""Packs of examples, for a discriminator that judges several at once."""

from typing import Any

from ganfreeze.backend import tensorflow as tf


def pack(keras: Any, examples: Any, packing: int) -> Any:
    """Join every `packing` consecutive examples into one pack, by a Keras layer; return its output.

    Images (height, width, channels) are joined along their channels, points along their coordinates. The batch becomes
    `packing` times smaller. With `packing` 1 no layer is added, and `examples` are returned.

    Source: Lin et al. 2018 (PacGAN), section 2.
    """
    if packing == 1:
        return examples

    *places, channels = examples.shape[1:]
    side_by_side = [0, *range(2, len(places) + 2), 1, len(places) + 2]

    class Pack(keras.layers.Layer):
        """A layer from (batch, ..., channels) to (batch / packing, ..., packing * channels)."""

        def call(self, batch: Any) -> Any:
            packs = tf.reshape(batch, (-1, packing, *places, channels))
            return tf.reshape(tf.transpose(packs, side_by_side), (-1, *places, packing * channels))

    return Pack(name="pack")(examples)
