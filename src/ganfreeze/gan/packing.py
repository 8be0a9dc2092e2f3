"""Packs of examples, for a discriminator that judges several at once."""

from typing import Any

from ganfreeze.backend import tensorflow as tf


def pack(keras: Any, examples: Any, packing: int) -> Any:
    """A layer that lays each `packing` examples that follow one another side by side, as one: images (height, width,
    channels) channel by channel, points by their coordinates. The batch becomes that much smaller.

    With `packing` 1 there is no layer, and what follows is what it was.

    Source: Lin et al. 2018 (PacGAN), section 2.
    """
    if packing == 1:
        return examples

    *places, channels = examples.shape[1:]
    side_by_side = [0, *range(2, len(places) + 2), 1, len(places) + 2]

    class Pack(keras.layers.Layer):
        """(batch, ..., channels) to (batch / packing, ..., packing * channels)."""

        def call(self, each: Any) -> Any:
            packs = tf.reshape(each, (-1, packing, *places, channels))
            return tf.reshape(tf.transpose(packs, side_by_side), (-1, *places, packing * channels))

    return Pack(name="pack")(examples)
