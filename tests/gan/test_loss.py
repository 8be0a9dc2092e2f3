"""Losses against their equations, written in NumPy, and against TF-GAN."""

import numpy as np
import pytest
from conftest import words

from ganfreeze.backend import tensorflow as tf
from ganfreeze.backend import tfgan
from ganfreeze.gan.loss.hinge import Hinge
from ganfreeze.gan.loss.least_squares import LeastSquares
from ganfreeze.gan.loss.minimax import Minimax
from ganfreeze.gan.loss.nonsaturating import Nonsaturating
from ganfreeze.gan.loss.relativistic import Relativistic
from ganfreeze.gan.loss.wasserstein import Wasserstein
from ganfreeze.strategy.engine import phases

REAL = np.array([[0.3], [-1.2], [2.0], [0.1]], np.float32)
FAKE = np.array([[-0.7], [0.4], [1.5], [-2.5]], np.float32)


def softplus(x):  # softplus(-x) is -log sigmoid(x), softplus(x) is -log(1 - sigmoid(x))
    return np.log1p(np.exp(x.astype(np.float64)))


RELATIVE_REAL, RELATIVE_FAKE = REAL - FAKE.mean(), FAKE - REAL.mean()
CROSS_ENTROPY = softplus(-REAL).mean() + softplus(FAKE).mean()
LOG_SIGMOID_OF_ONE = -0.31326168751822286

EQUATIONS = {
    Nonsaturating(): (CROSS_ENTROPY, softplus(-FAKE).mean()),
    Minimax(): (CROSS_ENTROPY, -softplus(FAKE).mean() + LOG_SIGMOID_OF_ONE),
    LeastSquares(): (((REAL - 1) ** 2).mean() / 2 + (FAKE**2).mean() / 2, ((FAKE - 1) ** 2).mean() / 2),
    Wasserstein(): (FAKE.mean() - REAL.mean(), -FAKE.mean()),
    Hinge(): (np.maximum(0, 1 - REAL).mean() + np.maximum(0, 1 + FAKE).mean(), -FAKE.mean()),
    Relativistic(): (
        softplus(-RELATIVE_REAL).mean() + softplus(RELATIVE_FAKE).mean(),
        softplus(RELATIVE_REAL).mean() + softplus(-RELATIVE_FAKE).mean(),
    ),
}


def test_every_loss_has_its_equation_here():
    assert sorted(type(loss).__module__.rpartition(".")[2] for loss in EQUATIONS) == words("loss")


@pytest.mark.parametrize("loss", EQUATIONS, ids=lambda loss: type(loss).__name__)
def test_losses_have_the_values_of_their_equations(loss):
    discriminator, generator = EQUATIONS[loss]
    assert float(loss.discriminator(REAL, FAKE)) == pytest.approx(discriminator, rel=1e-6)
    assert float(loss.generator(REAL, FAKE)) == pytest.approx(generator, rel=1e-6)


@pytest.mark.parametrize("loss", [loss for loss in EQUATIONS if not loss.couples], ids=lambda loss: type(loss).__name__)
def test_the_terms_of_split_batches_add_up_to_the_joint_loss(loss):
    ones, zeros = np.ones_like(REAL), np.zeros_like(REAL)
    on_real = loss.discriminator(REAL, REAL, real_weights=ones, fake_weights=zeros)
    on_fake = loss.discriminator(FAKE, FAKE, real_weights=zeros, fake_weights=ones)
    assert float(on_real) + float(on_fake) == pytest.approx(float(loss.discriminator(REAL, FAKE)), rel=1e-6)
    assert float(loss.discriminator(REAL, REAL, fake_weights=0.0)) == float(on_real)
    assert float(loss.discriminator(FAKE, FAKE, real_weights=0.0)) == float(on_fake)


@pytest.mark.parametrize("loss", EQUATIONS, ids=lambda loss: type(loss).__name__)
def test_devices_can_share_a_batch_if_the_loss_is_a_mean_over_examples(loss):
    halves = [loss.discriminator(REAL[rows], FAKE[rows]) for rows in (slice(None, 2), slice(2, None))]
    whole = float(loss.discriminator(REAL, FAKE))
    assert len(REAL) == len(FAKE) == 4
    assert (float(np.mean(halves)) == pytest.approx(whole, rel=1e-6)) is ("devices" not in loss.supports)


@pytest.mark.parametrize("loss", EQUATIONS, ids=lambda loss: type(loss).__name__)
def test_only_a_coupled_loss_is_not_a_sum_of_two_terms(loss):
    assert loss.supports == ({"update.batches": ["joint"], "devices": [1]} if loss.couples else {})
    other_real = REAL[::-1] + 1
    effects_of_fakes = [
        float(loss.discriminator(real, FAKE)) - float(loss.discriminator(real, FAKE + 1)) for real in (REAL, other_real)
    ]
    assert (effects_of_fakes[0] == pytest.approx(effects_of_fakes[1], abs=1e-5)) is not loss.couples


def test_minimax_has_the_gradient_of_its_equation():
    fake = tf.constant(FAKE)
    with tf.GradientTape() as tape:
        tape.watch(fake)
        loss = Minimax().generator(None, fake)
    expected = -1 / (1 + np.exp(-FAKE)) / len(FAKE)
    np.testing.assert_allclose(tape.gradient(loss, fake), expected, rtol=1e-6)


def test_label_smoothing_is_that_of_tf_gan():
    expected = tfgan.losses.modified_discriminator_loss(REAL, FAKE, label_smoothing=0.2)
    assert float(Nonsaturating(label_smoothing=0.2).discriminator(REAL, FAKE)) == float(expected)
    smooth = 0.9 * softplus(-REAL).mean() + 0.1 * softplus(REAL).mean() + softplus(FAKE).mean()
    assert float(expected) == pytest.approx(smooth, rel=1e-6)


def test_relativistic_logits_have_no_zero():
    """A constant in all logits changes no loss, but the accuracy, which docs/metrics.md says."""
    loss = Relativistic()
    real, fake = tf.constant(REAL), tf.constant(FAKE)
    for constant in (5.0, -5.0):
        shifted = loss.discriminator(real + constant, fake + constant)
        np.testing.assert_allclose(shifted, loss.discriminator(real, fake), rtol=1e-5)
        np.testing.assert_allclose(
            loss.generator(real + constant, fake + constant), loss.generator(real, fake), rtol=1e-5
        )
        assert float(phases.accuracy_real(loss, real + constant)) == (constant > 0)
        assert float(phases.accuracy_fake(loss, fake + constant)) == (constant < 0)
