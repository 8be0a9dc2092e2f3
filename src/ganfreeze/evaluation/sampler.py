"""Samples of a generator, with images quantised as real images are."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ganfreeze.backend import tensorflow as tf
from ganfreeze.data.dataset.base import Examples, Images
from ganfreeze.data.streams import sample_batches
from ganfreeze.errors import Diverged
from ganfreeze.types import Latent, Model

BATCH = 250


class Sampler:
    """A function from latent vectors (n, latent_dim), for any n, to samples.

    Samples are uint8 images (n, height, width, channels), or points. The generator runs in inference mode, so that no
    sample depends on another, and with the weights that it has at the time of the call. Images are rounded from [-1, 1]
    to 0..255. `latent` is the distribution that the generator was trained on.

    Raises:
        Diverged: a sample is not finite, which rounding would hide.
    """

    def __init__(self, generator: Model, latent: Latent) -> None:
        self._latent: Latent = latent
        self._images, self._latent_dim = len(generator.output_shape) == 4, generator.input_shape[-1]
        self._infer = tf.function(
            lambda latent: generator(latent, training=False),
            autograph=False,
            input_signature=[tf.TensorSpec((None, self._latent_dim), tf.float32)],
        )

    def __call__(self, latent: NDArray[np.float32]) -> Examples:
        starts = range(0, len(latent), BATCH)
        samples = np.concatenate([self._infer(latent[start : start + BATCH]) for start in starts])
        if not np.isfinite(samples).all():
            raise Diverged("the generator's samples are not finite")
        return _quantised(samples) if self._images else samples.astype(np.float32)

    def stream(self, seed: int, count: int) -> Iterator[Examples]:
        """Yield the samples of `sample_noise` batch by batch, in memory that does not grow with their number."""
        return map(self, sample_batches(seed, count, self._latent_dim, self._latent, BATCH))


def _quantised(images: NDArray[np.floating]) -> Images:
    scaled = images + 1
    scaled *= 127.5
    return np.clip(np.rint(scaled, out=scaled), 0, 255, out=scaled).astype(np.uint8)
