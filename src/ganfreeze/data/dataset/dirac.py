"""A data set whose examples are all the same point."""

from dataclasses import dataclass

import numpy as np

from ganfreeze.data.dataset.base import Dataset, Source, Split


@dataclass(frozen=True)
class Dirac(Source):
    """1,024 copies of the point 0, (1,) float32.

    Source: Mescheder, Geiger, Nowozin 2018, definition 2.1.
    """

    def load(self) -> Dataset:
        split = Split(np.zeros((1024, 1), np.float32), None)
        return Dataset.of("dirac", split, split, source="zeros")
