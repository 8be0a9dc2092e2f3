"""Time our Frechet distance beside those of TF-GAN and pytorch-fid:

    python benchmarks/frechet.py [SAMPLES DIMENSIONS ROUNDS]

All three take turns in one process. The time is that from the features to the distance. Each keeps what it can of the
real side between calls; TF-GAN takes features only, so it computes the real statistics in each call. Print the medians,
their ratios, and the relative difference of the distances.
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

BATCH = 250  # features that arrive at a time


def main(samples: int = 10_000, dimensions: int = 2_048, rounds: int = 3) -> None:
    """Print a line for each implementation."""
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
        fake_mean, fake_covariance = fake.mean(0, dtype=np.float64), np.cov(fake, rowvar=False, dtype=np.float64)
        root = np.real(sqrtm(covariance @ fake_covariance))
        return float(np.square(mean - fake_mean).sum() + np.trace(covariance + fake_covariance - 2 * root))

    def tf_gan() -> float:
        return float(tfgan.evaluation.frechet_classifier_distance_from_activations(real, fake))

    implementations: dict[str, Callable[[], float]] = {
        "ganfreeze": ours,
        "pytorch-fid's": pytorch_fid,
        "TF-GAN's": tf_gan,
    }
    seconds: dict[str, list[float]] = {name: [] for name in implementations}
    distances: dict[str, float] = {}
    for _ in range(rounds):
        for name, implementation in implementations.items():
            began = perf_counter()
            distances[name] = implementation()
            seconds[name].append(perf_counter() - began)

    description = machine.description()
    print(f"{samples:,} x {dimensions:,}, {rounds} rounds; {description['cores']} cores, {description['processor']}")
    print(f"NumPy {np.__version__}, SciPy {scipy.__version__}, TensorFlow {tf.version.VERSION}")
    for name in implementations:
        median = statistics.median(seconds[name])
        ratio = median / statistics.median(seconds["ganfreeze"])
        difference = distances["ganfreeze"] / distances[name] - 1
        print(f"{name:14} {median:6.2f} s  {ratio:5.1f} x  distance {distances[name]:.9g} ({difference:+.1e})")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
