"""How far each network has gone from where it began: the plainest sign of whether it trains at all."""

from collections.abc import Callable, Mapping

import numpy as np

from ganfreeze.strategies import Phase
from ganfreeze.types import Networks, PhaseName, Scalars


def weight_change(networks: Networks, phases: Mapping[PhaseName, Phase]) -> Callable[[], Scalars]:
    """A measure of ||w - w0|| / ||w0|| over all weights of each network, w0 being those of now.

    Weights are what the phases train, and what is held of the discriminator; BatchNormalization's averages are none.
    The figure is exactly 0 for a network that never moved.
    """
    weights = {
        "generator_weight_change": list(phases["generator"].trains),
        "discriminator_weight_change": [*phases["discriminator"].trains, *networks.held_weights],
    }
    start = {name: [variable.numpy().copy() for variable in variables] for name, variables in weights.items()}

    def measure() -> Scalars:
        change = {}
        for name, variables in weights.items():
            pairs = [(variable.numpy(), origin) for variable, origin in zip(variables, start[name], strict=True)]
            moved = sum(float(np.sum(np.square(now - origin))) for now, origin in pairs)
            change[name] = float(np.sqrt(moved / sum(float(np.sum(np.square(origin))) for _, origin in pairs)))
        return change

    return measure
