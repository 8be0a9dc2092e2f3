"""Architectures: layers, parameters, initial weights, and the shapes that they refuse."""

from itertools import pairwise

import numpy as np
import pytest
from conftest import LOADS, values

from ganfreeze.backend.keras import keras2, keras3
from ganfreeze.errors import BadInput
from ganfreeze.gan.architecture.dcgan import Dcgan
from ganfreeze.gan.architecture.dirac import Dirac
from ganfreeze.gan.architecture.maxout import Maxout
from ganfreeze.gan.architecture.mlp import Mlp


def build(architecture, keras, shape=(8, 8, 1), seed=0):
    return architecture.build(keras=keras, image_shape=shape, random=np.random.default_rng(seed))


def test_the_two_keras_are_two():
    assert keras2.load().__version__.startswith("2.")
    assert keras3.load().__version__.startswith("3.")
    assert keras3.load().backend.backend() == "tensorflow"


@pytest.mark.parametrize("architecture", [Mlp(), Dcgan(), Dcgan(batch_norm=False), Dirac(theta=0.3)])
def test_both_keras_start_from_the_same_bits(architecture):
    shape = (1,) if isinstance(architecture, Dirac) else (8, 8, 1)
    pairs = [build(architecture, load(), shape) for load in LOADS.values()]
    for network in ("generator", "discriminator"):
        two, three = (values(getattr(pair, network)) for pair in pairs)
        assert [a.shape for a in two] == [b.shape for b in three]
        for a, b in zip(two, three, strict=True):
            np.testing.assert_array_equal(a, b)


def test_mlp_has_the_parameters_of_keras_gan(keras):
    """Counted by hand from gan.py: dense (n + 1) m, BatchNormalization 4 m, on 28x28x1."""
    networks = build(Mlp(), keras, (28, 28, 1))
    sizes = (100, 256, 512, 1024)
    dense = sum((n + 1) * m for n, m in pairwise(sizes)) + 1025 * 784
    assert networks.generator.count_params() == dense + 4 * sum(sizes[1:])
    assert networks.discriminator.count_params() == 785 * 512 + 513 * 256 + 257


def test_initial_weights_have_their_distributions(keras):
    networks = build(Mlp(), keras, (28, 28, 1))
    kernel = max(values(networks.discriminator), key=np.size)
    limit = np.sqrt(6 / (784 + 512))
    assert np.abs(kernel).max() == pytest.approx(limit, rel=1e-3)
    assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=1e-2)
    kernel = max(values(build(Dcgan(), keras).generator), key=np.size)
    assert kernel.std() == pytest.approx(0.02, rel=2e-2)


@pytest.mark.parametrize("side", range(8, 65, 4))
def test_dcgan_fits_every_side(side):
    networks = build(Dcgan(filters=4), keras2.load(), (side, side, 3))
    assert networks.generator.output_shape == (None, side, side, 3)
    images = networks.generator(np.zeros((2, 100), np.float32), training=False)
    assert networks.discriminator(images, training=False).shape == (2, 1)
    smallest = min(layer.output_shape[1] for layer in networks.discriminator.layers[1:] if len(layer.output_shape) == 4)
    assert 2 <= smallest <= 15
    assert smallest < 8 or smallest % 2, "it is halved as long as it can be"


@pytest.mark.parametrize("shape", [(10, 10, 1), (8, 12, 1), (4, 4, 1), (68, 68, 3)])
def test_dcgan_refuses_other_shapes(shape):
    with pytest.raises(BadInput, match="a multiple of 4 from 8 to 64; this data set's are"):
        Dcgan().check(shape)


@pytest.mark.parametrize("batch_norm", [True, False])
def test_batch_norm_is_the_discriminators_choice(keras, batch_norm):
    networks = build(Dcgan(batch_norm=batch_norm), keras)
    kinds = [type(layer).__name__ for layer in networks.discriminator.layers]
    assert ("BatchNormalization" in kinds) == batch_norm
    assert "BatchNormalization" in [type(layer).__name__ for layer in networks.generator.layers]


def test_dirac_is_one_number_each(keras):
    """G(z) = theta whatever z, D(x) = psi x."""
    networks = build(Dirac(theta=0.25, psi=-3.0), keras, (1,))
    assert (networks.latent_dim, networks.generator.count_params(), networks.discriminator.count_params()) == (1, 1, 1)
    z = np.array([[-1e30], [0.0], [7.0]], np.float32)
    np.testing.assert_array_equal(networks.generator(z, training=True), np.full((3, 1), 0.25, np.float32))
    np.testing.assert_array_equal(networks.discriminator(np.array([[2.0], [-1.0]], np.float32)), [[-6], [3]])
    (theta,), (psi,) = networks.generator.trainable_variables, networks.discriminator.trainable_variables
    assert (theta.shape, psi.shape) == ((1,), (1, 1))


@pytest.mark.parametrize("shape", [(2,), (8, 8, 1)])
def test_dirac_refuses_what_is_no_line(shape):
    with pytest.raises(BadInput, match=r"architecture=dirac plays on a line.* Choose dataset=dirac"):
        Dirac().check(shape)


@pytest.mark.parametrize("keras", LOADS)
def test_maxout_has_the_layers_of_the_trials(keras):
    networks = Maxout().build(keras=LOADS[keras](), image_shape=(2,), random=np.random.default_rng(0))
    dense = 2 * 400 + 3 * 400 * 400 + 400 * 2 + 2
    assert networks.generator.count_params() == dense + 4 * 4 * 400
    assert networks.discriminator.count_params() == 3 * 1000 + 2 * 201 * 1000 + 201
    weights = values(networks.discriminator)
    x = np.random.default_rng(1).normal(size=(5, 2)).astype(np.float32)
    hidden = x
    for kernel, bias in zip(weights[0:6:2], weights[1:6:2], strict=True):
        hidden = (hidden @ kernel + bias).reshape(5, 200, 5).max(-1)
    np.testing.assert_allclose(networks.discriminator(x), hidden @ weights[6] + weights[7], rtol=1e-4, atol=1e-7)
    with pytest.raises(BadInput, match=r"architecture=maxout is for points; .* dataset=ring or dataset=grid"):
        Maxout().check((8, 8, 1))
