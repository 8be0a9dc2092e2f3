"""The average of the generator's weights and packed discriminators, under every strategy."""

from functools import cache

import numpy as np
import pytest
from conftest import LOADS, TINY, trainable, values, words

from ganfreeze.backend.keras import keras2
from ganfreeze.errors import BadInput
from ganfreeze.gan.averaging import ExponentialAverage
from ganfreeze.proof.audit import audit
from ganfreeze.record import final_weights

DECAY = 0.3


def averaged(start, updates, decay=DECAY):
    """Return the average: a <- d a + (1 - d) w with d = min(decay, (1 + n) / (10 + n)) at update n."""
    average = [value.astype(np.float64) for value in start]
    for n, weights in enumerate(updates):
        d = min(decay, (1 + n) / (10 + n))
        average = [d * value + (1 - d) * weight for value, weight in zip(average, weights, strict=True)]
    return average


NEVER_TRAIN = {("compile", "keras3")}
# These do not freeze the discriminator, so their result differs from that of the tape.
NOT_FREEZING = {("unfrozen", "keras2"), ("unfrozen", "keras3"), ("reverse", "keras3")}
EVERY = [
    (strategy, keras, "alternating")
    for strategy in words("strategy")
    for keras in LOADS
    if (strategy, keras) not in NEVER_TRAIN
]
SPLIT = [(strategy, keras, "keras_gan") for strategy in ("toggle", "train_step", "tfgan") for keras in LOADS]
AHEAD = [
    (strategy, keras, update)
    for strategy in ("tape", "toggle")
    for keras in LOADS
    for update in ("extragradient", "optimistic")
]


@pytest.fixture(scope="module")
def trained(build):
    """Train three steps with packs of four and an average.

    Return which variables of both networks are weights, and all variables at the start and after each step: of the
    generator, the discriminator and the average.
    """

    @cache
    def trained(strategy, keras, update):
        choice = (*TINY, f"strategy={strategy}", f"keras={keras}", f"update={update}", "steps=20")
        game, mechanism, streams = build(*choice, "packing=4", f"ema={DECAY}", "optimizer=sgd")
        models = game.networks.generator, game.networks.discriminator, game.average.generator
        history = [tuple(map(values, models))]
        for step in range(3):
            assert all(np.isfinite(value) for value in mechanism.advance(streams, step, 1).values())
            history.append(tuple(map(values, models)))
        return [trainable(model) for model in models[:2]], history

    return trained


@pytest.mark.parametrize(("strategy", "keras", "update"), [*EVERY, *SPLIT, *AHEAD])
def test_the_average_follows_the_weights_under_every_strategy(trained, strategy, keras, update):
    (are_weights, _), history = trained(strategy, keras, update)
    generators = [generator for generator, _, _ in history]
    for weight, average in zip(generators[0], history[0][2], strict=True):
        np.testing.assert_array_equal(weight, average)
    assert not all(are_weights)
    expected = averaged(generators[0], generators[1:])
    for average, value, last, is_weight in zip(history[-1][2], expected, generators[-1], are_weights, strict=True):
        if is_weight:
            np.testing.assert_allclose(average, value, rtol=1e-5, atol=1e-7)
        else:
            np.testing.assert_array_equal(average, last, err_msg="the averages of BatchNormalization are copied")


@pytest.mark.parametrize(
    ("strategy", "keras", "update"), [choice for choice in [*EVERY, *SPLIT, *AHEAD] if choice[:2] not in NOT_FREEZING]
)
def test_every_strategy_trains_a_packed_discriminator_as_the_tape_does(trained, strategy, keras, update):
    """The results agree up to rounding, because the discriminator has no BatchNormalization."""
    (_, are_weights), history = trained(strategy, keras, update)
    _, by_tape = trained("tape", keras, update)
    for before, after, is_weight in zip(history[0][1], history[-1][1], are_weights, strict=True):
        assert (before != after).any() or not is_weight or before.ndim == 1
    for a, b in zip(history[-1][0] + history[-1][1], by_tape[-1][0] + by_tape[-1][1], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("strategy", ["toggle", "train_step"])
def test_an_average_does_not_change_training_by_a_bit(build, strategy):
    results = []
    for ema in ("none", DECAY):
        game, mechanism, streams = build(*TINY, f"strategy={strategy}", f"ema={ema}", "steps=20")
        mechanism.advance(streams, 0, 3)
        results.append(values(game.networks.generator) + values(game.networks.discriminator))
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_first_weights_soon_lose_their_influence():
    """With a constant decay of 0.999 they would still have a share of 95% after 50 updates."""
    keras = keras2.load()
    of, generator = (keras.Sequential([keras.layers.Dense(1, use_bias=False, input_shape=(1,))]) for _ in range(2))
    of.layers[0].kernel.assign([[0.0]])
    average = ExponentialAverage(0.999, of=of, generator=generator)
    of.layers[0].kernel.assign([[1.0]])
    for _ in range(50):
        average.update()
    share = np.prod([(1 + n) / (10 + n) for n in range(50)])
    assert float(generator.layers[0].kernel[0, 0]) == pytest.approx(1 - share, rel=1e-5)
    assert share < 1e-7


def test_every_update_of_the_generator_in_a_step_is_averaged(build):
    game, strategy, streams = build(*TINY, "update.generator_steps=3", f"ema={DECAY}", "steps=5")
    strategy.advance(streams, 0, 2)
    assert int(game.average.variables[-1]) == 6


@pytest.mark.parametrize("keras", LOADS)
def test_the_audit_does_not_change_the_average(build, keras):
    game, strategy, streams = build(*TINY, f"keras={keras}", f"ema={DECAY}", "steps=5")
    before = [np.array(variable.numpy()) for variable in game.average.variables]
    assert audit(strategy, game, streams).verdict == "state leaks"
    for variable, value in zip(game.average.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    assert int(before[-1]) == 0


@pytest.mark.parametrize("keras", LOADS)
def test_a_checkpoint_holds_the_average(build, tmp_path, keras):
    game, strategy, streams = build(*TINY, f"keras={keras}", f"ema={DECAY}", "steps=5")
    strategy.advance(streams, 0, 2)
    folder = final_weights.save(game.networks, tmp_path / "weights", game.average.generator)
    assert final_weights.has_average(folder)
    new_game, _, _ = build(*TINY, f"keras={keras}", f"ema={DECAY}", "steps=5")
    final_weights.restore_average(new_game.average.generator, folder)
    for a, b in zip(values(new_game.average.generator), values(game.average.generator), strict=True):
        np.testing.assert_array_equal(a, b)
    final_weights.save(game.networks, tmp_path / "plain")
    assert not final_weights.has_average(tmp_path / "plain")
    with pytest.raises(BadInput, match="does not hold the weights of this generator"):
        final_weights.restore_average(new_game.average.generator, tmp_path / "plain")


def test_ema_is_the_word_none_or_a_decay_between_0_and_1(parse):
    assert parse("ema=none").settings.ema is None
    assert parse("ema=0.999").settings.ema == 0.999
    for value in ("1.0", "0.0", "2", "often", "null", "-0.5", "nan"):
        with pytest.raises(BadInput, match=r"ema=.*: must be none, or a number between 0 and 1 such as 0.999"):
            parse(f"ema={value}")
