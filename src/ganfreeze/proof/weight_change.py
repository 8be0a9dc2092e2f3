"""How far each network has gone from where it began: the plainest sign of whether it trains at all."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganfreeze.gan.networks import Networks
from ganfreeze.strategy.base import Phase
from ganfreeze.types import Metrics, PhaseName


def weight_change(networks: Networks, phases: Mapping[PhaseName, Phase]) -> Callable[[], Metrics]:
    """A measure of ||w - w0|| / ||w0|| over all weights of each network, w0 being those of now.

    Weights are what the phases train, and what is held of the discriminator; BatchNormalization's averages are none.
    The figure is exactly 0 for a network that never moved.
    """
    weights = {
        "generator_weight_change": list(phases["generator"].trains),
        "discriminator_weight_change": [*phases["discriminator"].trains, *networks.held_weights],
    }
    start = {name: [variable.numpy().copy() for variable in variables] for name, variables in weights.items()}
    lengths = {name: _length(origins) for name, origins in start.items()}

    def measure() -> Metrics:
        change = {}
        for name, variables in weights.items():
            pairs = zip(variables, start[name], strict=True)
            change[name] = _length([variable.numpy() - origin for variable, origin in pairs]) / lengths[name]
        return change

    return measure


def _length(arrays: Sequence[NDArray[Any]]) -> float:
    """Of all elements together."""
    return math.sqrt(sum(float(np.vdot(each, each)) for each in arrays))
