"""Regularizers: penalties and bounds against closed forms and finite differences."""

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
    """Return the gradient of `bent`, (batch, 3), by the chain rule."""
    return ((1 - np.tanh(x @ W1) ** 2) * W2[:, 0]) @ W1.T


def context(discriminator, real=REAL, fakes=FAKE, latent=LATENT):
    networks = Networks(generator=None, discriminator=discriminator, latent_dim=2)
    return PhaseContext(networks, Minimax(), tf.constant(real), tf.constant(latent), tf.constant(fakes))


# ---------------------------------------------------------------------------------------------------- equations


def test_every_regularizer_is_tested_here():
    assert words("regularizer") == ["consensus", "gradient_penalty", "none", "r1", "weight_clip"]


@pytest.mark.parametrize("weight", [1.0, 10.0])
def test_r1_is_half_the_squared_slope_on_real_data(weight):
    r1 = R1(weight=weight)
    assert float(r1.penalty("discriminator", context(linear))) == pytest.approx(weight / 2 * (W2[:3] ** 2).sum())
    expected = weight / 2 * (slope_of_bent(REAL) ** 2).sum(1).mean()
    assert float(r1.penalty("discriminator", context(bent))) == pytest.approx(expected)
    assert r1.penalty("generator", context(bent)) == 0


@pytest.mark.parametrize("target", [1.0, 2.5])
def test_gradient_penalty_of_a_linear_function_is_the_distance_of_its_slope_from_the_target(target):
    penalty = GradientPenalty(weight=3.0, target=target)
    expected = 3 * (np.linalg.norm(W2[:3]) - target) ** 2
    assert float(penalty.penalty("discriminator", context(linear))) == pytest.approx(expected)
    assert penalty.penalty("generator", context(linear)) == 0


def test_gradient_penalty_is_computed_between_a_real_example_and_its_fake():
    """The slope of |x|^2 / 2 is |x|, which is t between a fake 0 and a real 1. All pixels of an image share one t."""
    penalty = GradientPenalty(weight=1.0)

    def t_of(latent, shape=(1,)):
        def discriminator(x, training):
            return tf.reduce_sum(tf.square(x), [*range(1, len(shape) + 1)])[:, None] / 2

        size = np.prod(shape)
        real = np.full((len(latent), *shape), 1 / np.sqrt(size))
        return 1 - np.sqrt(float(penalty.penalty("discriminator", context(discriminator, real, 0 * real, latent))))

    latents = RANDOM.standard_normal((200, 1, 2), np.float32)
    ts = np.array([t_of(latent) for latent in latents])
    assert (ts >= 0).all()
    assert (ts < 1).all()
    assert kstest(ts, "uniform").pvalue > 0.01
    assert len(np.unique(ts)) == len(ts), "each latent batch has its own t"
    np.testing.assert_array_equal([t_of(latent) for latent in latents[:5]], ts[:5])
    np.testing.assert_allclose([t_of(latent, (2, 2, 1)) for latent in latents[:5]], ts[:5], rtol=1e-6)


def test_gradient_penalty_draws_a_number_for_each_example():
    """The point between a real 1 and a fake 0 is t."""
    batches = []

    def discriminator(x, training):
        batches.append(x.numpy().ravel())
        return tf.square(x) / 2

    GradientPenalty().penalty(
        "discriminator", context(discriminator, np.ones((8, 1)), np.zeros((8, 1)), RANDOM.random((8, 2)))
    )
    (ts,) = batches
    assert len(np.unique(ts)) == 8


def test_a_slope_of_zero_has_a_penalty_with_a_finite_derivative():
    weight = tf.Variable(np.zeros((3, 1)))
    with tf.GradientTape() as tape:
        loss = GradientPenalty(weight=2.0).penalty("discriminator", context(lambda x, training: x @ weight))
    assert float(loss) == pytest.approx(2)
    assert np.isfinite(tape.gradient(loss, weight).numpy()).all()


def test_consensus_is_half_the_squared_length_of_the_gradient_field():
    """For the Dirac GAN: v = (-psi s, theta s), where s is the sigmoid of psi theta."""
    theta, psi = tf.Variable([0.8], dtype=tf.float64), tf.Variable([[-1.5]], dtype=tf.float64)
    networks = Networks(
        generator=_Network(lambda latent: tf.zeros_like(latent) + theta, [theta]),
        discriminator=_Network(lambda x: x @ psi, [psi]),
        latent_dim=1,
    )
    zeros = tf.zeros((4, 1), tf.float64)
    dirac = PhaseContext(networks, Minimax(), zeros, zeros, zeros + theta)
    s = 1 / (1 + np.exp(1.5 * 0.8))
    for phase in ("discriminator", "generator"):
        assert float(Consensus(weight=6.0).penalty(phase, dirac)) == pytest.approx(
            3 * s**2 * (0.8**2 + 1.5**2), rel=1e-5
        )


class _Network:
    """A function with weights, in the place of a Keras model."""

    def __init__(self, function, variables):
        self._function, self.trainable_variables = function, variables

    def __call__(self, x, training):
        return self._function(x)


def test_weight_clip_changes_only_values_out_of_bounds():
    weight = tf.Variable([-3.0, -0.5, 0.1, 0.5, 9.0])
    clip = WeightClip(bound=0.5)
    clip.constrain([weight])
    np.testing.assert_array_equal(weight, np.array([-0.5, -0.5, 0.1, 0.5, 0.5], np.float32))
    for phase in ("discriminator", "generator"):
        assert clip.penalty(phase, context(bent)) == NoRegularizer().penalty(phase, context(bent)) == 0


@pytest.mark.parametrize("regularizer", [NoRegularizer(), R1(), GradientPenalty(), Consensus()])
def test_the_others_bound_nothing(regularizer):
    weight = tf.Variable([-3.0, 9.0])
    regularizer.constrain([weight])
    np.testing.assert_array_equal(weight, [-3, 9])


# -------------------------------------------------------------------------- training: one step of the Dirac GAN


RATE, THETA, PSI = 0.1, 1.0, -2.0
S = 1 / (1 + np.exp(-PSI * THETA))
BY_THETA, BY_PSI = -PSI * S, THETA * S  # the gradients of the minimax losses without a penalty
SLOPE, LENGTH = S * (1 - S), THETA**2 + PSI**2
ADDED = {  # the gradients by theta and psi that the penalty adds, calculated by hand
    "r1": (0, 2 * PSI),
    "gradient_penalty": (0, 2 * 2 * (abs(PSI) - 1) * np.sign(PSI)),
    "consensus": (
        2 * (S * SLOPE * PSI * LENGTH + S**2 * THETA),
        2 * (S * SLOPE * THETA * LENGTH + S**2 * PSI),
    ),
}


@pytest.mark.parametrize("regularizer", ADDED)
@pytest.mark.parametrize(("strategy", "keras"), [("tape", "keras2"), ("train_step", "keras3")])
def test_a_step_follows_the_gradient_of_the_penalty_too(variant, strategy, keras, regularizer):
    networks, mechanism, streams = variant(
        f"strategy={strategy}",
        f"keras={keras}",
        "dataset=dirac",
        "architecture=dirac",
        f"architecture.psi={PSI}",
        "evaluator=none",
        "optimizer=sgd",
        f"optimizer.generator_rate={RATE}",
        f"optimizer.discriminator_rate={RATE}",
        "loss=minimax",
        "update=simultaneous",
        f"regularizer={regularizer}",
        "regularizer.weight=2.0",
    )
    mechanism.advance(streams, 0, 1)
    by_theta, by_psi = ADDED[regularizer]
    (theta,), (psi,) = values(networks.generator), values(networks.discriminator)
    assert theta.item() == pytest.approx(THETA - RATE * (BY_THETA + by_theta), rel=1e-6)
    assert psi.item() == pytest.approx(PSI - RATE * (BY_PSI + by_psi), rel=1e-6)


# --------------------------------------------------------------------------------------------- training: images


def r1_of_mlp(weights, images):
    """Return R1 with weight 1 of a dense discriminator with LeakyReLU(0.2), in double precision."""
    kernels, biases = weights[::2], weights[1::2]
    x, slopes = images.reshape(len(images), -1).astype(np.float64), []
    for kernel, bias in zip(kernels[:-1], biases[:-1], strict=True):
        x = x @ kernel + bias
        slopes.append(np.where(x > 0, 1, 0.2))
        x = x * slopes[-1]
    gradient = np.broadcast_to(kernels[-1].T, slopes[-1].shape)
    for kernel, slope in zip(kernels[-2::-1], slopes[::-1], strict=True):
        gradient = (gradient * slope) @ kernel.T
    return (gradient**2).sum(1).mean() / 2


def test_on_images_r1_adds_its_gradient_to_that_of_the_discriminator(variant):
    """The first update with the penalty differs from that without it by the gradient of the penalty."""
    updated = {}
    for regularizer in ("none", "r1"):
        networks, strategy, streams = variant(
            f"regularizer={regularizer}",
            "optimizer=sgd",
            "optimizer.discriminator_rate=1.0",
            "architecture.discriminator_units=[16,16]",
            "precision=float64",  # in single precision rounding may change the sign of an input of LeakyReLU near 0
            *(["regularizer.weight=1.0"] if regularizer == "r1" else []),
        )
        start = [variable.astype(np.float64) for variable in values(networks.discriminator)]
        strategy.phases["discriminator"].run(streams.batch(0), streams.noise(0, "discriminator"))
        updated[regularizer] = values(networks.discriminator)
    gradient = [(a - b).astype(np.float64) for a, b in zip(updated["none"], updated["r1"], strict=True)]

    images, random = streams.batch(0), np.random.default_rng(0)
    for layer in (0, 2, 4):  # the kernels
        assert np.abs(gradient[layer]).max() > 1e-3
        for direction in (gradient[layer], random.normal(size=gradient[layer].shape)):
            unit = direction / np.linalg.norm(direction)

            def r1_at(distance, layer=layer, unit=unit):
                weights = list(start)
                weights[layer] = weights[layer] + distance * unit
                return r1_of_mlp(weights, images)

            difference = (r1_at(1e-6) - r1_at(-1e-6)) / 2e-6
            assert (gradient[layer] * unit).sum() == pytest.approx(difference, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("regularizer", ["r1", "gradient_penalty", "consensus"])
@pytest.mark.parametrize("keras", words("keras"))
def test_on_images_both_strategies_with_a_tape_agree_on_every_penalty(variant, keras, regularizer):
    results, metrics = [], []
    for strategy in TAPED:
        networks, mechanism, streams = variant(
            f"strategy={strategy}",
            f"keras={keras}",
            f"regularizer={regularizer}",
            "regularizer.weight=1.0",
            "batch_size=8",
            "optimizer=sgd",  # Adam would amplify the rounding errors of small gradients
        )
        start = values(networks.generator) + values(networks.discriminator)
        metrics.append(mechanism.advance(streams, 0, 2))
        results.append(values(networks.generator) + values(networks.discriminator))
    assert metrics[0] == pytest.approx(metrics[1], rel=1e-5)
    for first, second, initial in zip(*results, start, strict=True):
        assert np.isfinite(first).all()
        moved, last_place = np.abs(first - initial).max(), np.spacing(np.abs(first).max())
        assert np.abs(first - second).max() <= 1e-4 * moved + last_place, "up to rounding"
        if first.ndim == 2:
            assert (first != initial).any()


# ---------------------------------------------------------------------------------------------- weight clipping


@pytest.mark.parametrize("keras", words("keras"))
@pytest.mark.parametrize("strategy", words("strategy"))
def test_weights_are_clipped_under_every_strategy(variant, strategy, keras):
    choice = (
        f"strategy={strategy}",
        f"keras={keras}",
        "dataset=dirac",
        "architecture=dirac",
        "evaluator=none",
        "optimizer=sgd",
        "regularizer=weight_clip",
        "regularizer.bound=0.25",
    )
    try:
        networks, mechanism, streams = variant(*choice)
    except BadInput as refusal:
        assert f"strategy={strategy} does not go with" in str(refusal)
        assert strategy == "tfgan"
        return
    mechanism.phases["discriminator"].run(streams.batch(0), streams.noise(0, "discriminator"))
    assert values(networks.discriminator) == [-0.25], "it started at -1"
    assert values(networks.generator) == [1], "only the discriminator is bounded"
    if strategy == "train_step":
        networks.discriminator.set_weights([np.array([[9.0]])])
        mechanism.advance(streams, 0, 1)
        assert values(networks.discriminator) == [0.25], "its traced function clips too"


def test_on_images_every_weight_is_clipped(variant):
    networks, strategy, streams = variant("strategy=toggle", "regularizer=weight_clip", "regularizer.bound=0.01")
    strategy.advance(streams, 0, 2)
    for weight in values(networks.discriminator):
        assert np.abs(weight).max() <= np.float32(0.01)
    kernels = [weight for weight in values(networks.discriminator) if weight.ndim == 2]
    assert all(np.abs(kernel).max() == np.float32(0.01) for kernel in kernels)
    assert max(np.abs(weight).max() for weight in values(networks.generator)) > 0.05


def test_a_gradient_penalty_with_batch_norm_is_warned_of_once(parse, digits, caplog, tmp_path):
    from ganfreeze.app.run_events import run_events
    from ganfreeze.record import run_folder

    def warnings(*choice):
        caplog.clear()
        variant = parse("regularizer=gradient_penalty", "steps=1", "evaluator=none", "tracker=none", *choice)
        folder = run_folder.create(tmp_path, "0" * 16, name="run", owner="", identity={})
        list(run_events(variant, digits, "run", folder=folder, tags={}))
        return [record.message for record in caplog.records if "WGAN-GP advises against" in record.message]

    assert len(warnings("architecture=dcgan", "architecture.filters=4")) == 1
    assert not warnings("architecture=dcgan", "architecture.filters=4", "architecture.batch_norm=false")
