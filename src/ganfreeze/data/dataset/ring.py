"""Gaussians on a circle."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from ganfreeze.data import mixtures
from ganfreeze.data.dataset.base import Dataset, Mixture, Source
from ganfreeze.types import Count, Rate


@dataclass(frozen=True, kw_only=True)
class Ring(Source):
    """Points of a mixture of Gaussians whose centres are spread evenly over a circle.

    - `modes`: how many Gaussians there are.
    - `radius`: the radius of the circle.

    Source: Srivastava et al. 2017 (VEEGAN), section 4.1. Radius 1 and deviation 0.01 as in Lin et al. 2018 (PacGAN),
    section 4.1.
    """

    modes: Count = 8
    radius: Rate = 1.0
    deviation: Rate = 0.01
    examples: Annotated[int, Field(ge=10)] = 100000

    def load(self) -> Dataset:
        angle = 2 * np.pi * np.arange(self.modes) / self.modes
        centres = self.radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return mixtures.sample_mixture("ring", Mixture(centres, self.deviation), self.examples)
