"""Architectures: their layers, parameters, initial weights, and the shapes that they refuse."""

from itertools import pairwise

import numpy as np
import pytest
from conftest import LOADS, build_networks, values

from ganfreeze.app import training_setup
from ganfreeze.backend.keras import keras2, keras3
from ganfreeze.errors import BadInput
from ganfreeze.gan.architecture.dcgan import Dcgan
from ganfreeze.gan.architecture.dcgan_tensorflow import DcganTensorflow
from ganfreeze.gan.architecture.dirac import Dirac
from ganfreeze.gan.architecture.maxout import Maxout
from ganfreeze.gan.architecture.mlp import Mlp


def test_the_two_keras_have_different_versions():
    assert keras2.load().__version__.startswith("2.")
    assert keras3.load().__version__.startswith("3.")
    assert keras3.load().backend.backend() == "tensorflow"


@pytest.mark.parametrize("architecture", [Mlp(), Dcgan(), Dcgan(batch_norm=False), Dirac(theta=0.3), DcganTensorflow()])
def test_both_keras_start_from_the_same_bits(architecture):
    shape = {Dirac: (1,), DcganTensorflow: (16, 16, 1)}.get(type(architecture), (8, 8, 1))
    networks_of_both = [build_networks(architecture, load(), shape) for load in LOADS.values()]
    for name in ("generator", "discriminator"):
        of_keras2, of_keras3 = (values(getattr(networks, name)) for networks in networks_of_both)
        assert [a.shape for a in of_keras2] == [b.shape for b in of_keras3]
        for a, b in zip(of_keras2, of_keras3, strict=True):
            np.testing.assert_array_equal(a, b)


def test_mlp_has_as_many_parameters_as_keras_gan(keras):
    """Counted from gan.py for 28x28x1: (n + 1) m for a dense layer, 4 m for BatchNormalization."""
    networks = build_networks(Mlp(), keras, (28, 28, 1))
    sizes = (100, 256, 512, 1024)
    dense = sum((n + 1) * m for n, m in pairwise(sizes)) + 1025 * 784
    assert networks.generator.count_params() == dense + 4 * sum(sizes[1:])
    assert networks.discriminator.count_params() == 785 * 512 + 513 * 256 + 257


def test_initial_weights_have_their_distributions(keras):
    networks = build_networks(Mlp(), keras, (28, 28, 1))
    kernel = max(values(networks.discriminator), key=np.size)
    limit = np.sqrt(6 / (784 + 512))
    assert np.abs(kernel).max() == pytest.approx(limit, rel=1e-3)
    assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=1e-2)
    kernel = max(values(build_networks(Dcgan(), keras).generator), key=np.size)
    assert kernel.std() == pytest.approx(0.02, rel=2e-2)


@pytest.mark.parametrize("side", range(8, 65, 4))
def test_dcgan_fits_every_side(side):
    networks = build_networks(Dcgan(filters=4), keras2.load(), (side, side, 3))
    assert networks.generator.output_shape == (None, side, side, 3)
    images = networks.generator(np.zeros((2, 100), np.float32), training=False)
    assert networks.discriminator(images, training=False).shape == (2, 1)
    smallest = min(layer.output_shape[1] for layer in networks.discriminator.layers[1:] if len(layer.output_shape) == 4)
    assert 2 <= smallest <= 15
    assert smallest < 8 or smallest % 2, "the image is halved as often as possible"


@pytest.mark.parametrize("shape", [(10, 10, 1), (8, 12, 1), (4, 4, 1), (68, 68, 3)])
def test_dcgan_refuses_other_shapes(shape):
    with pytest.raises(BadInput, match="a multiple of 4 from 8 to 64; this data set's are"):
        Dcgan().check(shape)


@pytest.mark.parametrize("batch_norm", [True, False])
def test_the_option_batch_norm_is_for_the_discriminator_only(keras, batch_norm):
    networks = build_networks(Dcgan(batch_norm=batch_norm), keras)
    layer_types = [type(layer).__name__ for layer in networks.discriminator.layers]
    assert ("BatchNormalization" in layer_types) == batch_norm
    assert "BatchNormalization" in [type(layer).__name__ for layer in networks.generator.layers]


def test_each_network_of_dirac_has_one_weight(keras):
    """G(z) = theta for every z, and D(x) = psi x."""
    networks = build_networks(Dirac(theta=0.25, psi=-3.0), keras, (1,))
    assert (networks.latent_dim, networks.generator.count_params(), networks.discriminator.count_params()) == (1, 1, 1)
    z = np.array([[-1e30], [0.0], [7.0]], np.float32)
    np.testing.assert_array_equal(networks.generator(z, training=True), np.full((3, 1), 0.25, np.float32))
    np.testing.assert_array_equal(networks.discriminator(np.array([[2.0], [-1.0]], np.float32)), [[-6], [3]])
    (theta,), (psi,) = networks.generator.trainable_variables, networks.discriminator.trainable_variables
    assert (theta.shape, psi.shape) == ((1,), (1, 1))


@pytest.mark.parametrize("shape", [(2,), (8, 8, 1)])
def test_dirac_refuses_other_shapes(shape):
    with pytest.raises(BadInput, match=r"architecture=dirac plays on a line.* Choose dataset=dirac"):
        Dirac().check(shape)


@pytest.mark.parametrize("keras", LOADS)
def test_maxout_has_the_published_layers(keras):
    networks = Maxout().build(keras=LOADS[keras](), example_shape=(2,), random=np.random.default_rng(0))
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


class HalfSeeded(Mlp):
    """An architecture whose discriminator has a layer that ignores `random`."""

    def judge(self, keras, examples, random):
        return keras.layers.Dense(1, name="own")(super().judge(keras, examples, random))


def test_networks_that_were_not_seeded_are_refused_by_the_names_of_their_layers(parse, digits, keras):
    variant = parse("architecture=mlp", f"keras={'keras3' if keras.__name__ == 'keras' else 'keras2'}")
    training_setup.require_seeded(variant, digits, training_setup.build(variant, digits).game.networks)
    variant = variant._replace(architecture=HalfSeeded())
    networks = training_setup.build(variant, digits).game.networks
    with pytest.raises(BadInput, match=r"each time: the discriminator's own\. Draw all initial weights from `random`"):
        training_setup.require_seeded(variant, digits, networks)
    with pytest.raises(BadInput, match=r"the discriminator's own"):  # a layer that is only there at times
        networks = training_setup.build(variant._replace(architecture=Mlp()), digits).game.networks
        training_setup.require_seeded(variant, digits, networks)


def test_dcgan_tensorflow_has_as_many_parameters_as_pacgan(keras):
    """Counted from its model.py for 28x28x3: sides 28, 14, 7, 4, 2; kernels 5x5; biases before BatchNormalization."""
    networks = build_networks(DcganTensorflow(), keras, (28, 28, 3))
    widths = (64, 128, 256, 512)
    kernels = [25 * n * m + m for n, m in pairwise((3, *widths))]
    assert networks.discriminator.count_params() == sum(kernels) + 4 * sum(widths[1:]) + (2 * 2 * 512 + 1)
    kernels = [25 * n * m + n for n, m in pairwise((3, *widths))]
    assert networks.generator.count_params() == 101 * 2 * 2 * 512 + sum(kernels) + 4 * sum(widths)
    sides = [layer.output.shape[1] for layer in networks.generator.layers if "transpose" in layer.name]
    assert sides == [4, 7, 14, 28]


@pytest.mark.parametrize("side", [16, 28, 32, 64, 45])
def test_dcgan_tensorflow_fits_every_side(side):
    networks = build_networks(DcganTensorflow(filters=2), keras2.load(), (side, side, 1))
    assert networks.generator.output_shape == (None, side, side, 1)


def test_networks_of_unit_pixels_are_those_of_symmetric_ones_with_rescaled_images(keras):
    """Pixels x in [-1, 1] are (x + 1) / 2 in [0, 1]; the generator's tanh is then taken for such a pixel."""
    latent = np.random.default_rng(0).standard_normal((2, 100)).astype(np.float32)
    plain, unit = (
        build_networks(DcganTensorflow(filters=2, unit_pixels=value), keras, (28, 28, 3)) for value in (False, True)
    )
    images = np.asarray(plain.generator(latent, training=True))
    np.testing.assert_allclose(np.asarray(unit.generator(latent, training=True)), 2 * images - 1, atol=1e-6)
    logits = np.asarray(plain.discriminator(images, training=True))
    np.testing.assert_allclose(np.asarray(unit.discriminator(2 * images - 1, training=True)), logits, atol=1e-5)


def test_truncated_normal_weights_stay_within_two_deviations(keras):
    kernel = values(build_networks(DcganTensorflow(), keras, (28, 28, 3)).discriminator)[0]
    assert np.abs(kernel).max() <= 0.04
    assert kernel.std() == pytest.approx(0.02 * 0.8796, rel=0.02), "the deviation of a normal cut at two deviations"


def test_dcgan_tensorflow_refuses_small_images():
    with pytest.raises(BadInput, match="architecture=dcgan_tensorflow needs square images whose side is 16 or more"):
        build_networks(DcganTensorflow(), keras2.load(), (8, 8, 1))
