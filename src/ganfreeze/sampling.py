"""Samples as images: what the generator makes, quantised as real images are, and the grids people look at."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganfreeze import tensorflow as tf
from ganfreeze.data import Examples, Images
from ganfreeze.errors import Diverged
from ganfreeze.streams import sample_batches
from ganfreeze.types import Model

BATCH = 250


def sampler(generator: Model) -> Callable[[NDArray[np.float32]], Examples]:
    """A function from latent vectors (n, latent_dim) to uint8 images (n, height, width, channels), or to points.

    The generator runs in inference mode, so that a sample depends on no other; of images [-1, 1] is rounded to 0..255.
    The function raises Diverged where a sample is no number, which rounding would hide.
    """
    images = len(generator.output_shape) == 4
    infer = tf.function(lambda latent: generator(latent, training=False), autograph=False, reduce_retracing=True)

    def sample(latent: NDArray[np.float32]) -> Examples:
        samples = np.concatenate([infer(latent[start : start + BATCH]) for start in range(0, len(latent), BATCH)])
        if not np.isfinite(samples).all():
            raise Diverged("the generator's samples are not finite")
        return _quantised(samples) if images else samples.astype(np.float32)

    return sample


def stream(generator: Model) -> Callable[[int, int], Iterator[Examples]]:
    """A function from a seed and a count to that many samples, a batch at a time; those of `sampler` and
    `sample_noise`, in memory that does not grow with their number."""
    sample = sampler(generator)
    latent_dim = generator.input_shape[-1]
    return lambda seed, count: map(sample, sample_batches(seed, count, latent_dim, BATCH))


def _quantised(images: NDArray[np.floating]) -> Images:
    return np.rint((images + 1) * 127.5).clip(0, 255).astype(np.uint8)


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
