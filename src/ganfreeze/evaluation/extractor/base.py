"""What a file in `extractor/` makes."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ganfreeze.data.dataset.base import Examples


class Features(NamedTuple):
    """What an extractor makes of n examples: vectors (n, d), and logits (n, classes) where it is a classifier."""

    vectors: NDArray[np.float32]
    logits: NDArray[np.float32]


class Extractor(NamedTuple):
    """A feature extractor that is ready.

    `identity` says which it is, as a card does ("extractor", "weights", "resize"); `facts` what else is known of it, an
    accuracy say; `extract` takes uint8 images (n, height, width, channels), of any n.
    """

    identity: Mapping[str, str]
    facts: Mapping[str, str | float]
    extract: Callable[[Examples], Features]
