"""How far each network has gone from where it began: the plainest sign of whether it trains at all."""

from collections.abc import Callable

import numpy as np

from ganfreeze.types import Networks, Scalars


def weight_change(networks: Networks) -> Callable[[], Scalars]:
    """A measure of ||w - w0|| / ||w0|| over all weights of each network, w0 being those of now.

    Weights are what is trainable now, before any strategy sets a flag; BatchNormalization's averages are none. The
    figure is exactly 0 for a network that never moved.
    """
    weights = {
        "generator_weight_change": list(networks.generator.trainable_variables),
        "discriminator_weight_change": list(networks.discriminator.trainable_variables),
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
