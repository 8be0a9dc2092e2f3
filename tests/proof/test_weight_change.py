"""How far a network has moved from its initial weights."""

import numpy as np
import pytest

from ganfreeze.gan.architecture.mlp import Mlp
from ganfreeze.proof.weight_change import weight_change
from ganfreeze.strategy.base import Phase


def build(architecture, keras, shape=(8, 8, 1), seed=0):
    return architecture.build(keras=keras, image_shape=shape, random=np.random.default_rng(seed))


def test_weight_change_is_relative_and_knows_stillness(keras):
    networks = build(Mlp(), keras)
    pair = {name: getattr(networks, name).trainable_variables for name in ("generator", "discriminator")}
    measure = weight_change(networks, {name: Phase(name, weights, None) for name, weights in pair.items()})
    networks.discriminator.trainable = False
    assert measure() == {"generator_weight_change": 0.0, "discriminator_weight_change": 0.0}
    for variable in networks.discriminator.weights:
        variable.assign(3 * variable)
    assert measure() == {"generator_weight_change": 0.0, "discriminator_weight_change": pytest.approx(2, rel=1e-5)}
