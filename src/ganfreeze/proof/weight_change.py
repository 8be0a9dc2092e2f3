"""How far each network has moved from its initial weights: the simplest sign of whether it trains at all."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganfreeze.gan.networks import Networks
from ganfreeze.strategy.base import Phase
from ganfreeze.types import Metrics, PhaseName


def weight_change(networks: Networks, phases: Mapping[PhaseName, Phase]) -> Callable[[], Metrics]:
    """Return a function that measures ||w - w0|| / ||w0|| over all weights of each network; w0 are the weights now.

    Weights are what the phases train, and the weights of the discriminator that are held. BatchNormalization's averages
    are not weights. The metric is exactly 0 for a network that never moved. If w0 is 0, it is ||w - w0|| itself.
    """
    weights = {
        "generator_weight_change": list(phases["generator"].trains),
        "discriminator_weight_change": [*phases["discriminator"].trains, *networks.held_weights],
    }
    start = {name: [variable.numpy().copy() for variable in variables] for name, variables in weights.items()}
    lengths = {name: _length(origins) or 1.0 for name, origins in start.items()}

    def measure() -> Metrics:
        change = {}
        for name, variables in weights.items():
            pairs = zip(variables, start[name], strict=True)
            change[name] = _length([variable.numpy() - origin for variable, origin in pairs]) / lengths[name]
        return change

    return measure


def _length(arrays: Sequence[NDArray[Any]]) -> float:
    """Return the Euclidean norm of all elements of all arrays together."""
    return math.sqrt(sum(float(np.vdot(array, array)) for array in arrays))
