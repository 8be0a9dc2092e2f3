"""The Frechet distance beside TF-GAN's and pytorch-fid's way: python benchmarks/frechet.py [SAMPLES DIMENSIONS ROUNDS]

All three by turns, in one process, from features to the figure; what each can keep of the real side it keeps (TF-GAN
takes features only, so it counts them anew each time). Prints medians, ratios, and how far the figures are apart.
"""

import statistics
import sys
from collections.abc import Callable
from time import perf_counter

import numpy as np
import scipy
from scipy.linalg import sqrtm

from ganfreeze.backend import machine, tfgan
from ganfreeze.backend import tensorflow as tf
from ganfreeze.evaluation.metrics.frechet import Gaussian, Moments, RunningMoments

BATCH = 250  # features come so many at a time


def main(samples: int = 10_000, dimensions: int = 2_048, rounds: int = 3) -> None:
    """Print a line for each way."""
    random = np.random.default_rng(0)
    mixing = random.normal(size=(dimensions, dimensions)).astype(np.float32) / np.sqrt(dimensions)
    real, fake = (
        np.maximum(random.normal(shift, 1, (samples, dimensions)).astype(np.float32) @ mixing, 0) for shift in (0, 0.1)
    )
    gaussian = Gaussian.of(Moments.of(real))
    mean, covariance = real.mean(0, dtype=np.float64), np.cov(real, rowvar=False, dtype=np.float64)

    def ours() -> float:
        running = RunningMoments()
        for start in range(0, samples, BATCH):
            running.update(fake[start : start + BATCH])
        return gaussian.distance(running.moments())

    def pytorch_fid() -> float:
        mean_, covariance_ = fake.mean(0, dtype=np.float64), np.cov(fake, rowvar=False, dtype=np.float64)
        root = sqrtm(covariance @ covariance_).real
        return float(np.square(mean - mean_).sum() + np.trace(covariance + covariance_ - 2 * root))

    def tf_gan() -> float:
        return float(tfgan.evaluation.frechet_classifier_distance_from_activations(real, fake))

    ways: dict[str, Callable[[], float]] = {"ganfreeze": ours, "pytorch-fid's": pytorch_fid, "TF-GAN's": tf_gan}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    figures: dict[str, float] = {}
    for _ in range(rounds):
        for name, way in ways.items():
            began = perf_counter()
            figures[name] = way()
            seconds[name].append(perf_counter() - began)

    described = machine.description()
    print(f"{samples:,} x {dimensions:,}, {rounds} rounds; {described['cores']} cores, {described['processor']}")
    print(f"NumPy {np.__version__}, SciPy {scipy.__version__}, TensorFlow {tf.version.VERSION}")
    for name in ways:
        median = statistics.median(seconds[name])
        ratio = median / statistics.median(seconds["ganfreeze"])
        apart = figures["ganfreeze"] / figures[name] - 1
        print(f"{name:14} {median:6.2f} s  {ratio:5.1f} x  figure {figures[name]:.9g} ({apart:+.1e})")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
