"""Initial weights drawn by NumPy, so that networks of Keras 2 and Keras 3 start from the same bits.

From the same seed, Keras 2 and Keras 3 draw different random numbers. A comparison between them is meaningful only if
the networks start from the same weights.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def glorot_uniform(keras: Any, random: np.random.Generator) -> Any:
    """Return a Keras initializer that draws from U(-a, a) with a = sqrt(6 / (fan_in + fan_out)).

    It is Keras' default for kernels (Glorot & Bengio 2010, equation 16).
    """

    def draw(shape: tuple[int, ...]) -> NDArray[np.float64]:
        receptive_field = int(np.prod(shape[:-2]))
        limit = np.sqrt(6 / (receptive_field * (shape[-2] + shape[-1])))
        return random.uniform(-limit, limit, shape)

    return _initializer(keras, draw)


def normal(keras: Any, random: np.random.Generator, deviation: float) -> Any:
    """Return a Keras initializer that draws from N(0, deviation^2).

    DCGAN uses 0.02 (Radford et al. 2016, section 4).
    """
    return _initializer(keras, lambda shape: random.normal(0, deviation, shape))


def truncated_normal(keras: Any, random: np.random.Generator, deviation: float) -> Any:
    """Return a Keras initializer that draws from N(0, deviation^2), and no value beyond two deviations."""

    def draw(shape: tuple[int, ...]) -> NDArray[np.float64]:
        from scipy.stats import truncnorm  # it takes long to import, and few architectures draw from it

        return np.asarray(truncnorm.rvs(-2, 2, scale=deviation, size=shape, random_state=random))

    return _initializer(keras, draw)


def _initializer(keras: Any, draw: Callable[[tuple[int, ...]], NDArray[np.float64]]) -> Any:
    class Drawn(keras.initializers.Initializer):
        def __call__(self, shape: Any, dtype: Any = None, **_: Any) -> NDArray[Any]:
            return draw(tuple(shape)).astype(getattr(dtype, "name", dtype) or "float32")

        def get_config(self) -> dict[str, Any]:
            return {}

    return Drawn()
