"""Optimizers and learning-rate schedules against their settings and equations."""

import numpy as np
import pytest
from conftest import LOADS, words

from ganfreeze.backend import tensorflow as tf
from ganfreeze.gan.optimizer.adamw import Adamw
from ganfreeze.gan.schedule.constant import Constant
from ganfreeze.gan.schedule.cosine import Cosine
from ganfreeze.gan.schedule.linear import Linear
from ganfreeze.gan.update.base import Update


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
    weights = [keras.Variable([2.0, -4.0]) if keras.__name__ == "keras" else tf.Variable([2.0, -4.0]) for _ in "ab"]
    optimizer.build(weights)
    gradients = [tf.constant([3.0, -5.0]), tf.zeros(2)]
    optimizer.apply_gradients(zip(gradients, weights, strict=True))
    decayed = np.array([2.0, -4.0]) * (1 - 0.1 * 0.5)
    np.testing.assert_allclose(weights[0].numpy(), decayed - 0.1 * np.array([1, -1]), rtol=1e-5)
    np.testing.assert_allclose(weights[1].numpy(), decayed, rtol=1e-6)
