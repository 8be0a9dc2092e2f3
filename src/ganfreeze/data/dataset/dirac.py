"""All data at one point."""

from dataclasses import dataclass

import numpy as np

from ganfreeze.data.dataset.base import Dataset
from ganfreeze.data.dataset.base import Source
from ganfreeze.data.dataset.base import Split


@dataclass(frozen=True)
class Dirac(Source):
    """A point at 0, (1,) float32, as often as a batch may want it: 1,024 times.

    Source: Mescheder, Geiger, Nowozin 2018, definition 2.1.
    """

    def load(self) -> Dataset:
        split = Split(np.zeros((1024, 1), np.float32), None)
        return Dataset.of("dirac", split, split, source="zeros")
