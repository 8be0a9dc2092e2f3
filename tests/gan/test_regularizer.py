"""Penalties and bounds against closed forms and finite differences."""

import numpy as np
import pytest
from conftest import values, words
from scipy.stats import kstest

from ganfreeze.backend import tensorflow as tf
from ganfreeze.errors import BadInput
from ganfreeze.gan.loss.minimax import Minimax
from ganfreeze.gan.networks import Networks
from ganfreeze.gan.regularizer.base import PhaseContext
from ganfreeze.gan.regularizer.consensus import Consensus
from ganfreeze.gan.regularizer.gradient_penalty import GradientPenalty
from ganfreeze.gan.regularizer.none import NoRegularizer
from ganfreeze.gan.regularizer.r1 import R1
from ganfreeze.gan.regularizer.weight_clip import WeightClip

TAPED = ("tape", "train_step")
RANDOM = np.random.default_rng(0)
W1, W2 = RANDOM.normal(size=(3, 5)), RANDOM.normal(size=(5, 1))
REAL, FAKE = RANDOM.normal(size=(4, 3)), RANDOM.normal(size=(4, 3))
LATENT = RANDOM.standard_normal((4, 2), np.float32)


def linear(x, training):
    return x @ W2[:3] + 0.7


def bent(x, training):
    return tf.tanh(x @ W1) @ W2


def slope_of_bent(x):
    """The gradient of `bent`, (batch, 3), by the chain rule."""
    return ((1 - np.tanh(x @ W1) ** 2) * W2[:, 0]) @ W1.T


def play(discriminator, real=REAL, fakes=FAKE, latent=LATENT):
    networks = Networks(generator=None, discriminator=discriminator, latent_dim=2)
    return PhaseContext(networks, Minimax(), tf.constant(real), tf.constant(latent), tf.constant(fakes))


# --------------------------------------------------------------------------------------------------- equations


def test_every_regularizer_is_looked_at_here():
    assert words("regularizer") == ["consensus", "gradient_penalty", "none", "r1", "weight_clip"]


@pytest.mark.parametrize("weight", [1.0, 10.0])
def test_r1_is_half_the_squared_slope_on_real_data(weight):
    r1 = R1(weight=weight)
    assert float(r1.penalty("discriminator", play(linear))) == pytest.approx(weight / 2 * (W2[:3] ** 2).sum())
    expected = weight / 2 * (slope_of_bent(REAL) ** 2).sum(1).mean()
    assert float(r1.penalty("discriminator", play(bent))) == pytest.approx(expected)
    assert r1.penalty("generator", play(bent)) == 0


@pytest.mark.parametrize("target", [1.0, 2.5])
def test_gradient_penalty_of_a_plane_is_the_distance_of_its_slope_from_the_target(target):
    penalty = GradientPenalty(weight=3.0, target=target)
    expected = 3 * (np.linalg.norm(W2[:3]) - target) ** 2
    assert float(penalty.penalty("discriminator", play(linear))) == pytest.approx(expected)
    assert penalty.penalty("generator", play(linear)) == 0


def test_gradient_penalty_looks_between_each_real_and_its_fake():
    """Of x |-> |x|^2 / 2 the slope is |x|: between 0 and 1 that is t. On images each t holds for all of one."""
    penalty = GradientPenalty(weight=1.0)

    def at(latent, shape=(1,)):
        def discriminator(x, training):
            return tf.reduce_sum(tf.square(x), [*range(1, len(shape) + 1)])[:, None] / 2

        size = np.prod(shape)
        real = np.full((len(latent), *shape), 1 / np.sqrt(size))
        return 1 - np.sqrt(float(penalty.penalty("discriminator", play(discriminator, real, 0 * real, latent))))

    latents = RANDOM.standard_normal((200, 1, 2), np.float32)
    drawn = np.array([at(latent) for latent in latents])
    assert (drawn >= 0).all()
    assert (drawn < 1).all()
    assert kstest(drawn, "uniform").pvalue > 0.01
    assert len(np.unique(drawn)) == len(drawn), "another latent batch, another t"
    np.testing.assert_array_equal([at(latent) for latent in latents[:5]], drawn[:5])
    np.testing.assert_allclose([at(latent, (2, 2, 1)) for latent in latents[:5]], drawn[:5], rtol=1e-6)


def test_gradient_penalty_draws_a_number_for_each_example():
    """Between a real 1 and a fake 0 lies t itself."""
    seen = []

    def discriminator(x, training):
        seen.append(x.numpy().ravel())
        return tf.square(x) / 2

    GradientPenalty().penalty(
        "discriminator", play(discriminator, np.ones((8, 1)), np.zeros((8, 1)), RANDOM.random((8, 2)))
    )
    (between,) = seen
    assert len(np.unique(between)) == 8


def test_a_slope_of_zero_has_a_penalty_and_a_derivative_without_nan():
    weight = tf.Variable(np.zeros((3, 1)))
    with tf.GradientTape() as tape:
        loss = GradientPenalty(weight=2.0).penalty("discriminator", play(lambda x, training: x @ weight))
    assert float(loss) == pytest.approx(2)
    assert np.isfinite(tape.gradient(loss, weight).numpy()).all()


def test_consensus_is_half_the_squared_length_of_the_gradient_field():
    """On the Dirac GAN: v = (-psi s, theta s), where s is the sigmoid of psi theta."""
    theta, psi = tf.Variable([0.8], dtype=tf.float64), tf.Variable([[-1.5]], dtype=tf.float64)
    networks = Networks(
        generator=_Part(lambda latent: tf.zeros_like(latent) + theta, [theta]),
        discriminator=_Part(lambda x: x @ psi, [psi]),
        latent_dim=1,
    )
    zeros = tf.zeros((4, 1), tf.float64)
    given = PhaseContext(networks, Minimax(), zeros, zeros, zeros + theta)
    s = 1 / (1 + np.exp(1.5 * 0.8))
    for phase in ("discriminator", "generator"):
        assert float(Consensus(weight=6.0).penalty(phase, given)) == pytest.approx(
            3 * s**2 * (0.8**2 + 1.5**2), rel=1e-5
        )


class _Part:
    def __init__(self, function, variables):
        self._function, self.trainable_variables = function, variables

    def __call__(self, x, training):
        return self._function(x)


def test_weight_clip_bounds_and_touches_nothing_within():
    weight = tf.Variable([-3.0, -0.5, 0.1, 0.5, 9.0])
    clip = WeightClip(bound=0.5)
    clip.constrain([weight])
    np.testing.assert_array_equal(weight, np.array([-0.5, -0.5, 0.1, 0.5, 0.5], np.float32))
    for phase in ("discriminator", "generator"):
        assert clip.penalty(phase, play(bent)) == NoRegularizer().penalty(phase, play(bent)) == 0


@pytest.mark.parametrize("regularizer", [NoRegularizer(), R1(), GradientPenalty(), Consensus()])
def test_the_others_bound_nothing(regularizer):
    weight = tf.Variable([-3.0, 9.0])
    regularizer.constrain([weight])
    np.testing.assert_array_equal(weight, [-3, 9])


# -------------------------------------------------------------------------- in training: the Dirac GAN, one step


RATE, THETA, PSI = 0.1, 1.0, -2.0
S = 1 / (1 + np.exp(-PSI * THETA))
BY_THETA, BY_PSI = -PSI * S, THETA * S  # of the bare minimax losses
SLOPE, LENGTH = S * (1 - S), THETA**2 + PSI**2
ADDED = {  # the gradients by theta and psi that the penalty adds, by hand
    "r1": (0, 2 * PSI),
    "gradient_penalty": (0, 2 * 2 * (abs(PSI) - 1) * np.sign(PSI)),
    "consensus": (
        2 * (S * SLOPE * PSI * LENGTH + S**2 * THETA),
        2 * (S * SLOPE * THETA * LENGTH + S**2 * PSI),
    ),
}


@pytest.mark.parametrize("regularizer", ADDED)
@pytest.mark.parametrize(("strategy", "keras"), [("tape", "keras2"), ("train_step", "keras3")])
def test_a_step_descends_the_penalty_too(variant, strategy, keras, regularizer):
    networks, made, streams = variant(
        *(f"strategy={strategy}", f"keras={keras}", "dataset=dirac", "architecture=dirac", "evaluator=none"),
        *("optimizer=sgd", f"optimizer.generator_rate={RATE}", f"optimizer.discriminator_rate={RATE}"),
        *("loss=minimax", "update=simultaneous", f"architecture.psi={PSI}"),
        *(f"regularizer={regularizer}", "regularizer.weight=2.0"),
    )
    made.advance(streams, 0, 1)
    by_theta, by_psi = ADDED[regularizer]
    (theta,), (psi,) = values(networks.generator), values(networks.discriminator)
    assert theta.item() == pytest.approx(THETA - RATE * (BY_THETA + by_theta), rel=1e-6)
    assert psi.item() == pytest.approx(PSI - RATE * (BY_PSI + by_psi), rel=1e-6)


# ------------------------------------------------------------------------------------------ in training: images


def r1_of_mlp(weights, images):
    """R1 of the dense discriminator with LeakyReLU(0.2), weight 1, in double precision."""
    kernels, biases = weights[::2], weights[1::2]
    x, bends = images.reshape(len(images), -1).astype(np.float64), []
    for kernel, bias in zip(kernels[:-1], biases[:-1], strict=True):
        x = x @ kernel + bias
        bends.append(np.where(x > 0, 1, 0.2))
        x = x * bends[-1]
    slope = np.broadcast_to(kernels[-1].T, bends[-1].shape)
    for kernel, bend in zip(kernels[-2::-1], bends[::-1], strict=True):
        slope = (slope * bend) @ kernel.T
    return (slope**2).sum(1).mean() / 2


def test_on_images_r1_adds_its_gradient_to_the_discriminators(variant):
    """Two first updates from the same weights, with and without: their difference is the penalty's gradient."""
    moved = {}
    for regularizer in ("none", "r1"):
        networks, strategy, streams = variant(
            *(f"regularizer={regularizer}", "optimizer=sgd", "optimizer.discriminator_rate=1.0"),
            "precision=float64",  # in single precision an activation at the kink may fall on the other side
            *(["regularizer.weight=1.0"] if regularizer == "r1" else []),
        )
        start = [each.astype(np.float64) for each in values(networks.discriminator)]
        strategy.phases["discriminator"].run(streams.batch(0), streams.noise(0, "discriminator"))
        moved[regularizer] = values(networks.discriminator)
    gradient = [(a - b).astype(np.float64) for a, b in zip(moved["none"], moved["r1"], strict=True)]

    images, random = streams.batch(0), np.random.default_rng(0)
    for layer in (0, 2, 4):  # the kernels
        assert np.abs(gradient[layer]).max() > 1e-3
        for direction in (gradient[layer], random.normal(size=gradient[layer].shape)):
            unit = direction / np.linalg.norm(direction)

            def along(distance, layer=layer, unit=unit):
                shifted = [
                    each + distance * unit * (at == layer) if at == layer else each for at, each in enumerate(start)
                ]
                return r1_of_mlp(shifted, images)

            difference = (along(1e-6) - along(-1e-6)) / 2e-6
            assert (gradient[layer] * unit).sum() == pytest.approx(difference, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("regularizer", ["r1", "gradient_penalty", "consensus"])
@pytest.mark.parametrize("keras", words("keras"))
def test_on_images_every_penalty_is_the_same_by_every_tape(variant, keras, regularizer):
    ends, scalars = [], []
    for strategy in TAPED:
        networks, made, streams = variant(
            *(f"strategy={strategy}", f"keras={keras}", f"regularizer={regularizer}", "batch_size=8"),
            *("optimizer=sgd", "regularizer.weight=1.0"),  # Adam would make much of the rounding of small gradients
        )
        start = values(networks.generator) + values(networks.discriminator)
        scalars.append(made.advance(streams, 0, 2))
        ends.append(values(networks.generator) + values(networks.discriminator))
    assert scalars[0] == pytest.approx(scalars[1], rel=1e-5)
    for one, other, begun in zip(*ends, start, strict=True):
        assert np.isfinite(one).all()
        assert np.abs(one - other).max() <= 1e-4 * np.abs(one - begun).max() + 1e-8, "but for rounding"
        if one.ndim == 2:
            assert (one != begun).any()


# --------------------------------------------------------------------------------------------------- the bounds


@pytest.mark.parametrize("keras", words("keras"))
@pytest.mark.parametrize("strategy", words("strategy"))
def test_weights_are_clipped_under_every_strategy(variant, strategy, keras):
    choice = (
        *(f"strategy={strategy}", f"keras={keras}", "dataset=dirac", "architecture=dirac", "evaluator=none"),
        *("optimizer=sgd", "regularizer=weight_clip", "regularizer.bound=0.25"),
    )
    try:
        networks, made, streams = variant(*choice)
    except BadInput as refusal:
        assert f"strategy={strategy} does not go with" in str(refusal)
        assert strategy == "tfgan"
        return
    made.phases["discriminator"].run(streams.batch(0), streams.noise(0, "discriminator"))
    assert values(networks.discriminator) == [-0.25], "it started at -1"
    assert values(networks.generator) == [1], "it is the discriminator that is bounded"
    if strategy == "train_step":
        networks.discriminator.set_weights([np.array([[9.0]])])
        made.advance(streams, 0, 1)
        assert values(networks.discriminator) == [0.25], "in its one traced function too"


def test_on_images_every_weight_is_clipped(variant):
    networks, made, streams = variant("strategy=toggle", "regularizer=weight_clip", "regularizer.bound=0.01")
    made.advance(streams, 0, 2)
    for weight in values(networks.discriminator):
        assert np.abs(weight).max() <= np.float32(0.01)
    kernels = [weight for weight in values(networks.discriminator) if weight.ndim == 2]
    assert all(np.abs(kernel).max() == np.float32(0.01) for kernel in kernels)
    assert max(np.abs(weight).max() for weight in values(networks.generator)) > 0.05
