"""Metrics of images that need no feature extractor, by TensorFlow's and TF-GAN's functions."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganfreeze.backend import tensorflow as tf
from ganfreeze.backend import tfgan
from ganfreeze.data.dataset.base import Images

_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang, Simoncelli, Bovik 2003, section 3.2
_FILTER = 11  # pixels, of the Gaussian window
LEAST_SIDE = 8  # pixels of images, for both metrics: a patch is 7 pixels wide


def ms_ssim(first: Images, second: Images) -> NDArray[np.float64]:
    """Return the multi-scale structural similarity of pairs of images (n, height, width, channels), (n,); up to 1.

    It has five scales if the window fits into the smallest of them, which needs sides of 176 pixels or more. Otherwise
    it has as many scales as fit, and their weights are multiplied to keep the sum of all five. On a side under 11
    pixels, the window has the largest odd width that fits.

    Source: Wang, Simoncelli, Bovik 2003; as a measure of diversity Odena, Olah, Shlens 2017, section 4.2.
    """
    side = min(first.shape[1:3])
    window = min(_FILTER, side - 1 + side % 2)
    scales = max(n for n in range(1, len(_WEIGHTS) + 1) if side // 2 ** (n - 1) >= window)
    weights = np.array(_WEIGHTS[:scales]) * sum(_WEIGHTS) / sum(_WEIGHTS[:scales])
    similarity: Any = tf.image.ssim_multiscale(first, second, 255, weights.tolist(), filter_size=window)
    return similarity.numpy().astype(np.float64)


def sliced_wasserstein(real: Images, fake: Images, *, seed: int = 0) -> float:
    """Return TF-GAN's sliced Wasserstein distance between real and fake images; 0 or more.

    There are as many fakes as real images; all are square, (n, side, side, channels). The distance is the mean over the
    levels of their Laplacian pyramids, which halve down to 16 pixels. Grey images are shown as RGB.

    A number from U(-1/2, 1/2) is added to every pixel, because uint8 rounded such a number off: TF-GAN divides patches
    by their deviation, which is 0 in the black of a digit's background. Patches and projections are drawn with `seed`,
    so that the metric repeats. NumPy's and TensorFlow's own generators are left as they were.

    Source: Karras et al. 2018, section 5; TF-GAN's `sliced_wasserstein_distance`, which takes 8,192 images for it.
    """
    random = np.random.default_rng(seed)
    batches = [_dequantised(images, random) for images in (real, fake)]
    state = np.random.get_state()
    np.random.seed(seed)  # TF-GAN draws its patches with it
    try:
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            tf.compat.v1.set_random_seed(seed)
            placeholders = [tf.compat.v1.placeholder(tf.float32, batch.shape) for batch in batches]
            distances = [fake_distance for _, fake_distance in tfgan.sliced_wasserstein_distance(*placeholders)]
            return float(np.mean(session.run(distances, dict(zip(placeholders, batches, strict=True)))))
    finally:
        np.random.set_state(state)


def whole_pyramid(side: int) -> bool:
    """Return whether the pyramid of `sliced_wasserstein` halves images of this side, 8 or more, evenly to its end."""
    return side % 2 ** max(0, side.bit_length() - 5) == 0


def _dequantised(images: Images, random: np.random.Generator) -> NDArray[np.float32]:
    rgb = np.broadcast_to(images, (*images.shape[:3], 3)).astype(np.float32)
    return rgb + random.uniform(-0.5, 0.5, rgb.shape).astype(np.float32)
