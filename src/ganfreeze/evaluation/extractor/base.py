"""`Extractor`, which each file of this folder builds, and the `Features` that it returns."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ganfreeze.data.dataset.base import Examples


class Features(NamedTuple):
    """The features of n examples: vectors (n, d), and logits (n, classes), or (n, 0) if there are no classes."""

    vectors: NDArray[np.float32]
    logits: NDArray[np.float32]


class Extractor(NamedTuple):
    """A feature extractor that is ready.

    `identity` has the fields of a card that identify it: "extractor", "weights", "resize". `facts` has what else is
    known of it, such as an accuracy. `extract` takes uint8 images (n, height, width, channels), for any n.
    """

    identity: Mapping[str, str]
    facts: Mapping[str, str | float]
    extract: Callable[[Examples], Features]
