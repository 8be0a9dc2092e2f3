"""Spectral normalization against singular values, the gradient of the paper, and every mechanism."""

import numpy as np
import pytest
from conftest import build_networks, values

from ganfreeze.backend import tensorflow as tf
from ganfreeze.gan.architecture.dcgan import Dcgan
from ganfreeze.gan.architecture.mlp import Mlp
from ganfreeze.gan.layers.convolutions import halve
from ganfreeze.gan.layers.dense import dense
from ganfreeze.gan.layers.spectral_norm import spectral_norm
from ganfreeze.proof import audit


def normalized(keras, layer, shape):
    """Return a normalized layer, built for inputs of this shape, whose `u` has converged."""
    layer = spectral_norm(layer, keras, np.random.default_rng(0))
    layer.build((None, *shape))
    inputs = np.random.default_rng(1).normal(size=(5, *shape)).astype(np.float32)
    for _ in range(200):
        layer(inputs, training=True)
    return layer, inputs


@pytest.mark.parametrize(("make", "shape"), [(dense, (6,)), (halve, (8, 8, 2))])
def test_the_largest_singular_value_becomes_one(keras, make, shape):
    layer, inputs = normalized(keras, make(keras, 3), shape)
    kernel = layer.kernel.numpy()
    largest = np.linalg.svd(kernel.reshape(-1, 3), compute_uv=False)[0]
    plain = make(keras, 3)
    plain.build((None, *shape))
    plain.set_weights([kernel / largest, np.zeros(3, np.float32)])
    np.testing.assert_allclose(np.array(layer(inputs, training=False)), np.array(plain(inputs)), rtol=1e-4, atol=1e-5)


def test_only_the_vector_moves_and_only_in_training_mode(keras):
    layer = spectral_norm(dense(keras, 3), keras, np.random.default_rng(0))
    layer.build((None, 4))
    inputs = np.ones((2, 4), np.float32)

    def state():
        return layer.kernel.numpy().copy(), layer.u.numpy().copy()

    (kernel, u), _ = state(), layer(inputs, training=False)
    assert (state()[1] == u).all()
    layer.trainable = False
    layer(inputs, training=True)
    assert (state()[0] == kernel).all(), "Keras' own layer overwrites it"
    assert (state()[1] != u).any()


def test_the_gradient_is_that_of_the_normalized_kernel(keras):
    """Where u and v have converged, equation 12 is the derivative of W / sigma(W): compared with differences."""
    layer, inputs = normalized(keras, dense(keras, 3), (4,))
    target = np.random.default_rng(2).normal(size=(5, 3)).astype(np.float32)
    variable = layer.kernel if isinstance(layer.kernel, tf.Variable) else layer.kernel.value
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.convert_to_tensor(layer(inputs, training=False)) * target)
    gradient = tape.gradient(loss, variable).numpy()
    kernel = variable.numpy().astype(np.float64)

    def exact(kernel):
        return ((inputs @ (kernel / np.linalg.svd(kernel, compute_uv=False)[0])) * target).sum()

    step, expected = 1e-6, np.zeros_like(kernel)
    for index in np.ndindex(kernel.shape):
        up, down = kernel.copy(), kernel.copy()
        up[index] += step
        down[index] -= step
        expected[index] = (exact(up) - exact(down)) / (2 * step)
    np.testing.assert_allclose(gradient, expected, atol=2e-3)


@pytest.mark.parametrize("architecture", [Mlp(spectral_norm=True), Dcgan(filters=4, spectral_norm=True)])
def test_every_kernel_of_the_discriminator_is_normalized(keras, architecture):
    networks = build_networks(architecture, keras)
    kernels = [layer for layer in networks.discriminator.layers if hasattr(layer, "kernel")]
    assert kernels
    assert all(hasattr(layer, "u") for layer in kernels)
    assert not any(hasattr(layer, "u") for layer in networks.generator.layers)


CHOICE = (
    "architecture=dcgan",
    "architecture.filters=4",
    "architecture.spectral_norm=true",
    "update.fakes=inference",
    "batch_size=8",
)


@pytest.mark.parametrize(("judge", "batch_norm"), [("training", False), ("inference", False), ("inference", True)])
def test_every_mechanism_holds_it_and_all_are_one_algorithm(build, keras, judge, batch_norm):
    """A flag alone would leave it in training mode, beside a BatchNormalization in inference mode."""
    word = {"tf_keras": "keras2", "keras": "keras3"}[keras.__name__]
    ends = {}
    for strategy in ("tape", "toggle", "tfgan") if judge == "training" else ("tape", "toggle"):
        modes = (f"update.judge={judge}", f"architecture.batch_norm={str(batch_norm).lower()}")
        overrides = (f"keras={word}", f"strategy={strategy}", *modes, "precision=float64")
        game, mechanism, streams = build(*CHOICE, *overrides)
        ledger = audit.audit(mechanism, game, streams)
        assert not ledger.violations
        assert not ledger.constraints
        assert mechanism.judge == judge
        frozen = {entry.variable.rpartition("/")[2] for entry in ledger.leaks}
        assert frozen == ({"u"} if judge == "training" else set())
        mechanism.advance(streams, 0, 4)
        ends[strategy] = [*values(game.networks.generator), *values(game.networks.discriminator)]
    for strategy, weights in ends.items():
        largest = max(float(np.abs(a - b).max()) for a, b in zip(weights, ends["tape"], strict=True))
        assert largest < 1e-9, strategy
