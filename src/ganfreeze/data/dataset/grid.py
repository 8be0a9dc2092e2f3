"""Gaussians on a square grid."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from ganfreeze.data import mixtures
from ganfreeze.data.dataset.base import Dataset, Mixture, Source
from ganfreeze.types import Count, Rate


@dataclass(frozen=True, kw_only=True)
class Grid(Source):
    """Points of a mixture of Gaussians whose centres lie on a square grid around 0.

    By default there are 25, at -4, -2, 0, 2, 4 in each direction.

    - `side`: how many Gaussians there are in each direction.
    - `spacing`: the distance of neighbouring centres.

    Source: Srivastava et al. 2017 (VEEGAN), section 4.1; Lin et al. 2018 (PacGAN), section 4.1.
    """

    side: Count = 5
    spacing: Rate = 2.0
    deviation: Rate = 0.05
    examples: Annotated[int, Field(ge=100)] = 100000

    def load(self) -> Dataset:
        line = self.spacing * (np.arange(self.side, dtype=np.float64) - (self.side - 1) / 2)
        centres = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
        return mixtures.sample_mixture("grid", Mixture(centres, self.deviation), self.examples)
