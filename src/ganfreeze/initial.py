"""Initial weights drawn by NumPy, so that both Keras start from the same bits.

Keras 2 and Keras 3 derive their random numbers differently from one seed. A comparison across them is worth
something only if the networks begin equal. Each function here returns an initializer that either Keras accepts.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Initializer = Callable[..., NDArray[Any]]


def glorot_uniform(random: np.random.Generator) -> Initializer:
    """U(-a, a) with a = sqrt(6 / (fan_in + fan_out)), Keras' default for kernels (Glorot & Bengio 2010, eq. 16)."""

    def draw(shape: Sequence[int], dtype: Any = None, **_: Any) -> NDArray[Any]:
        receptive_field = int(np.prod(shape[:-2]))
        limit = np.sqrt(6 / (receptive_field * (shape[-2] + shape[-1])))
        return random.uniform(-limit, limit, shape).astype(_name(dtype))

    return draw


def normal(random: np.random.Generator, deviation: float) -> Initializer:
    """N(0, deviation^2); DCGAN uses 0.02 (Radford et al. 2016, section 4)."""

    def draw(shape: Sequence[int], dtype: Any = None, **_: Any) -> NDArray[Any]:
        return random.normal(0, deviation, shape).astype(_name(dtype))

    return draw


def _name(dtype: Any) -> str:
    return getattr(dtype, "name", None) or dtype or "float32"
