"""Optimizers and learning-rate schedules against their settings and equations."""

import numpy as np
import pytest
from conftest import LOADS, words

from ganfreeze.backend import tensorflow as tf
from ganfreeze.gan.optimism import make_optimistic
from ganfreeze.gan.optimizer.adam import Adam
from ganfreeze.gan.optimizer.adamw import Adamw
from ganfreeze.gan.optimizer.rmsprop import Rmsprop
from ganfreeze.gan.optimizer.sgd import Sgd
from ganfreeze.gan.schedule.constant import Constant
from ganfreeze.gan.schedule.cosine import Cosine
from ganfreeze.gan.schedule.linear import Linear
from ganfreeze.gan.update.base import Update


def variable(keras, value):
    return (keras.Variable if keras.__name__ == "keras" else tf.Variable)(value)


def path(optimizer, weight, gradients):
    """Return the values of a weight after each of these gradients, from its present value on."""
    reached = [weight.numpy().copy()]
    for gradient in gradients:
        optimizer.apply_gradients([(tf.constant(gradient), weight)])
        reached.append(weight.numpy().copy())
    return np.array(reached)


def rate_at(rate, iteration):
    return float(rate(iteration)) if callable(rate) else rate


def test_schedules_follow_their_equations(keras):
    assert words("schedule") == ["constant", "cosine", "linear"]
    for t in (0, 25, 50, 100):
        fraction = t / 100
        expected = {
            Constant(): 0.2,
            Linear(final=0.1): 0.2 * (1 - 0.9 * fraction),
            Cosine(final=0.1): 0.2 * (0.1 + 0.9 * (1 + np.cos(np.pi * fraction)) / 2),
        }
        for schedule, value in expected.items():
            rate = schedule.build(keras=keras, rate=0.2, iterations=100)
            assert rate_at(rate, t) == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize("word", words("optimizer"))
@pytest.mark.parametrize("keras_word", words("keras"))
def test_each_network_has_its_own_rate_and_schedule(composed, word, keras_word):
    from hydra.utils import instantiate

    overrides = ["optimizer.generator_rate=0.25", "optimizer.discriminator_rate=0.5", "schedule=linear"]
    config = composed(f"optimizer={word}", *overrides)
    pair = instantiate(config.optimizer).build(
        keras=LOADS[keras_word](),
        schedule=instantiate(config.schedule),
        update=Update(discriminator_steps=2),
        steps=10,
    )
    assert not pair.shared
    for optimizer, rate, decay_steps in ((pair.generator, 0.25, 10), (pair.discriminator, 0.5, 20)):
        assert type(optimizer).__name__.lower() == word
        decay = optimizer.get_config()["learning_rate"]["config"]
        assert (decay["initial_learning_rate"], decay["decay_steps"]) == (rate, decay_steps)


def test_adamw_decays_what_it_gets_with_or_without_a_gradient(keras):
    """The first step is w (1 - rate * decay) - rate * sign(g): Loshchilov & Hutter 2019, algorithm 2."""
    pair = Adamw(generator_rate=0.1, discriminator_rate=0.1, decay=0.5)
    optimizer = pair.optimizer(keras, 0.1)
    weights = [variable(keras, [2.0, -4.0]) for _ in "ab"]
    optimizer.build(weights)
    gradients = [tf.constant([3.0, -5.0]), tf.zeros(2)]
    optimizer.apply_gradients(zip(gradients, weights, strict=True))
    decayed = np.array([2.0, -4.0]) * (1 - 0.1 * 0.5)
    np.testing.assert_allclose(weights[0].numpy(), decayed - 0.1 * np.array([1, -1]), rtol=1e-5)
    np.testing.assert_allclose(weights[1].numpy(), decayed, rtol=1e-6)


GRADIENTS = ([1.0, -3.0], [-2.0, 0.5], [4.0, 4.0], [0.0, -1.0])


@pytest.mark.parametrize("momentum", [-0.5, 0.0, 0.5])
def test_momentum_may_be_negative(keras, momentum):
    """v <- momentum v - rate g and w <- w + v: Gidel et al. 2019, equation 2, with the sign that Keras refuses."""
    optimizer, weight = Sgd(momentum=momentum).optimizer(keras, 0.1), variable(keras, [1.0, 2.0])
    optimizer.build([weight])
    velocity, expected = np.zeros(2), [np.array([1.0, 2.0])]
    for gradient in GRADIENTS:
        velocity = momentum * velocity - 0.1 * np.array(gradient)
        expected.append(expected[-1] + velocity)
    np.testing.assert_allclose(path(optimizer, weight, GRADIENTS), expected, rtol=1e-6)


@pytest.mark.parametrize("pair", [Sgd(), Sgd(momentum=-0.5), Sgd(momentum=0.5), Adam(), Rmsprop()], ids=str)
def test_an_optimistic_optimizer_takes_twice_its_step_less_the_last_one(keras, pair):
    """w_{t+1} = w_t + 2 s_t - s_{t-1}; the steps s_t are those of the same optimizer without optimism."""
    plain, optimistic = (pair.optimizer(keras, 0.1) for _ in range(2))
    make_optimistic(optimistic)
    weights = [variable(keras, [1.0, 2.0]) for _ in range(2)]
    plain.build(weights[:1])
    optimistic.build(weights[1:])
    steps = np.diff(path(plain, weights[0], GRADIENTS), axis=0)
    expected = 2 * steps - np.concatenate([np.zeros((1, 2)), steps[:-1]])
    np.testing.assert_allclose(np.diff(path(optimistic, weights[1], GRADIENTS), axis=0), expected, atol=1e-6)
    assert len(optimistic.variables) == len(plain.variables) + 1, "the last step is one more slot"
    assert "previous_step" in optimistic.variables[-1].name


def test_the_decay_of_adamw_is_not_part_of_the_step(keras):
    optimizer, weight = Adamw(decay=0.5).optimizer(keras, 0.1), variable(keras, [2.0, -4.0])
    make_optimistic(optimizer)
    optimizer.build([weight])
    reached = path(optimizer, weight, [[0.0, 0.0], [0.0, 0.0]])
    np.testing.assert_allclose(reached[1:], [reached[0] * 0.95, reached[0] * 0.95**2], rtol=1e-6)


@pytest.mark.parametrize("keras_word", words("keras"))
def test_a_step_that_loss_scaling_skips_is_not_the_last_step(build, keras_word):
    """Gradients that overflow move neither the weights nor what optimism remembers."""
    game, _, _ = build("update=optimistic", "precision=mixed_float16", f"keras={keras_word}")
    weights = game.networks.generator.trainable_variables
    game.optimizers.build(generator=weights, discriminator=game.networks.discriminator.trainable_variables)

    def apply(value):
        game.optimizers.apply("generator", [tf.fill(weight.shape, value) for weight in weights], weights)
        slots = [slot for slot in game.optimizers.variables("generator") if "previous_step" in slot.name]
        assert len(slots) == len(weights)
        return [each.numpy().copy() for each in (*weights, *slots)]

    for good, skipped in zip(apply(1.0), apply(np.inf), strict=True):
        np.testing.assert_array_equal(good, skipped)
