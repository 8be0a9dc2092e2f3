"""Samples as images: what the generator makes, quantised as real images are, and the grids people look at."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganfreeze import tensorflow as tf
from ganfreeze.data import Examples, Images
from ganfreeze.errors import Diverged
from ganfreeze.streams import sample_batches
from ganfreeze.types import Model

BATCH = 250


class Sampler:
    """Latent vectors (n, latent_dim) to uint8 images (n, height, width, channels), or to points; of any n.

    The generator runs in inference mode, so that a sample depends on no other, with the weights that it has by then; of
    images [-1, 1] is rounded to 0..255.

    Raises:
        Diverged: a sample is no number, which rounding would hide.
    """

    def __init__(self, generator: Model) -> None:
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
        """The samples of `sample_noise`, a batch at a time, in memory that does not grow with their number."""
        return map(self, sample_batches(seed, count, self._latent_dim, BATCH))


def _quantised(images: NDArray[np.floating]) -> Images:
    scaled = images + 1
    scaled *= 127.5
    return np.clip(np.rint(scaled, out=scaled), 0, 255, out=scaled).astype(np.uint8)


def write(examples: Examples, path: Path) -> None:
    """Write a picture of the examples; the suffix of `path` tells the format."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(examples)).save(path)


def grid(images: Images, *, side: int = 512) -> Images:
    """Images (n, h, w, c) row by row in the smallest square grid, black where there are no more, as one RGB image
    (H, W, 3), enlarged by a whole factor so that its side comes near `side` pixels."""
    n, height, width, channels = images.shape
    rows = int(np.ceil(np.sqrt(n)))
    filled = np.concatenate([images, np.zeros((rows * rows - n, height, width, channels), np.uint8)])
    tiles = filled.reshape(rows, rows, height, width, channels).swapaxes(1, 2)
    sheet = tiles.reshape(rows * height, rows * width, channels)
    factor = max(1, side // (rows * height))
    enlarged = sheet.repeat(factor, 0).repeat(factor, 1)
    return np.broadcast_to(enlarged, (*enlarged.shape[:2], 3)).copy()


def picture(examples: Examples) -> Images:
    """Images in a grid, points as a cloud: one RGB image (H, W, 3)."""
    return grid(examples) if examples.ndim == 4 else scatter(examples)


def scatter(points: NDArray[np.float32], *, side: int = 512) -> Images:
    """Points (n, dimensions) by their first two coordinates, a line's by the one it has, as an RGB image (H, W, 3)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    canvas = FigureCanvasAgg(Figure(figsize=(side / 100, side / 100), dpi=100))
    axes = canvas.figure.subplots()
    axes.set_aspect("equal", adjustable="datalim")
    axes.scatter(points[:, 0], points[:, 1] if points.shape[1] > 1 else np.zeros(len(points)), s=4)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
