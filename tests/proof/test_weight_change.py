"""The metric that tells how far a network has moved from its initial weights."""

import pytest
from conftest import build_networks

from ganfreeze.gan.architecture.dirac import Dirac
from ganfreeze.gan.architecture.mlp import Mlp
from ganfreeze.proof.weight_change import weight_change
from ganfreeze.strategy.base import Phase


def test_weight_change_is_relative_and_0_for_a_network_that_did_not_move(keras):
    networks = build_networks(Mlp(), keras)
    trained = {name: getattr(networks, name).trainable_variables for name in ("generator", "discriminator")}
    measure = weight_change(networks, {name: Phase(name, weights, None) for name, weights in trained.items()})
    networks.discriminator.trainable = False
    assert measure() == {"generator_weight_change": 0.0, "discriminator_weight_change": 0.0}
    for variable in networks.discriminator.weights:
        variable.assign(3 * variable)
    assert measure() == {"generator_weight_change": 0.0, "discriminator_weight_change": pytest.approx(2, rel=1e-5)}


def test_the_change_of_a_network_of_zeros_is_its_distance(keras):
    networks = build_networks(Dirac(theta=0.0, psi=1.0), keras, (1,))
    trained = {name: getattr(networks, name).trainable_variables for name in ("generator", "discriminator")}
    measure = weight_change(networks, {name: Phase(name, weights, None) for name, weights in trained.items()})
    assert measure()["generator_weight_change"] == 0.0
    networks.generator.weights[0].assign([0.5])
    assert measure()["generator_weight_change"] == 0.5
