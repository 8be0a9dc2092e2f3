"""Data sets of points sampled from a mixture of Gaussians."""

import numpy as np

from ganfreeze.data.dataset.base import Dataset, Mixture, Split


def sample_mixture(name: str, mixture: Mixture, examples: int) -> Dataset:
    """Return a data set of points (n, 2), float32, labelled by the mode that they come from.

    It has `examples` points to train on and a tenth of that held out. They are drawn with a fixed seed.
    """
    train, test = (_draw(mixture, count, part) for part, count in enumerate((examples, max(1, examples // 10))))
    return Dataset.of(name, train, test, source=f"{len(mixture.centres)} Gaussians", mixture=mixture)


def _draw(mixture: Mixture, count: int, part: int) -> Split:
    random = np.random.default_rng(part)
    labels = random.integers(len(mixture.centres), size=count)
    noise = random.standard_normal((count, mixture.centres.shape[1]))
    return Split((mixture.centres[labels] + mixture.deviation * noise).astype(np.float32), labels)
