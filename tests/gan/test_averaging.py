"""The average of the generator's weights, and packed discriminators, under every strategy; what they must not touch."""

from functools import cache

import numpy as np
import pytest
from conftest import LOADS, trainable, values, words

from ganfreeze.backend.keras import keras2
from ganfreeze.errors import BadInput
from ganfreeze.gan.averaging import ExponentialAverage
from ganfreeze.proof.audit import audit
from ganfreeze.record import checkpoints

DECAY = 0.3


def followed(start, seen, decay=DECAY):
    """a <- d a + (1 - d) w with d = min(decay, (1 + n) / (10 + n))."""
    average = [value.astype(np.float64) for value in start]
    for number, weights in enumerate(seen):
        keep = min(decay, (1 + number) / (10 + number))
        average = [keep * each + (1 - keep) * weight for each, weight in zip(average, weights, strict=True)]
    return average


NEVER_TRAIN = {("compile", "keras3")}
DIFFERENT = {("unfrozen", "keras2"), ("unfrozen", "keras3"), ("reverse", "keras3")}  # than the tape: they do not freeze
EVERY = [
    (strategy, keras, "alternating")
    for strategy in words("strategy")
    for keras in LOADS
    if (strategy, keras) not in NEVER_TRAIN
]
SPLIT = [(strategy, keras, "seed") for strategy in ("toggle", "train_step", "tfgan") for keras in LOADS]


@pytest.fixture(scope="module")
def trained(assemble):
    """Three steps with packs of four and an average: the networks' variables at the start and after each step."""

    @cache
    def trained(strategy, keras, update):
        choice = (f"strategy={strategy}", f"keras={keras}", f"update={update}", "batch_size=16", "steps=20")
        game, made, streams = assemble(*choice, "packing=4", f"ema={DECAY}", "optimizer=sgd")
        models = game.networks.generator, game.networks.discriminator, game.average.generator
        seen = [tuple(map(values, models))]
        for step in range(3):
            assert all(np.isfinite(value) for value in made.advance(streams, step, 1).values())
            seen.append(tuple(map(values, models)))
        return [trainable(model) for model in models[:2]], seen

    return trained


@pytest.mark.parametrize(("strategy", "keras", "update"), [*EVERY, *SPLIT])
def test_it_follows_the_weights_under_every_strategy(trained, strategy, keras, update):
    (kept, _), seen = trained(strategy, keras, update)
    generators = [generator for generator, _, _ in seen]
    for one, other in zip(generators[0], seen[0][2], strict=True):
        np.testing.assert_array_equal(one, other)
    assert not all(kept)
    expected = followed(generators[0], generators[1:])
    for found, wanted, last, is_weight in zip(seen[-1][2], expected, generators[-1], kept, strict=True):
        if is_weight:
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-7)
        else:
            np.testing.assert_array_equal(found, last, err_msg="BatchNormalization's averages are copied")


@pytest.mark.parametrize(
    ("strategy", "keras", "update"), [each for each in [*EVERY, *SPLIT] if each[:2] not in DIFFERENT]
)
def test_every_strategy_trains_a_packed_discriminator_as_the_tape_does(trained, strategy, keras, update):
    """To rounding, for there is no BatchNormalization in the discriminator."""
    (_, kept), seen = trained(strategy, keras, update)
    _, by_tape = trained("tape", keras, update)
    for before, after, is_weight in zip(seen[0][1], seen[-1][1], kept, strict=True):
        assert (before != after).any() or not is_weight or before.ndim == 1
    for one, other in zip(seen[-1][0] + seen[-1][1], by_tape[-1][0] + by_tape[-1][1], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("strategy", ["toggle", "train_step"])
def test_training_is_to_the_last_bit_what_it_is_without(assemble, strategy):
    reached = []
    for ema in ("none", DECAY):
        game, made, streams = assemble(f"strategy={strategy}", f"ema={ema}", "batch_size=8", "steps=20")
        made.advance(streams, 0, 3)
        reached.append(values(game.networks.generator) + values(game.networks.discriminator))
    for a, b in zip(*reached, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_first_weights_are_forgotten_early():
    """With a decay of 0.999 and no warming up, 95% of them would be left after 50 updates."""
    keras = keras2.load()
    of, generator = (keras.Sequential([keras.layers.Dense(1, use_bias=False, input_shape=(1,))]) for _ in range(2))
    of.layers[0].kernel.assign([[0.0]])
    average = ExponentialAverage(0.999, of=of, generator=generator)
    of.layers[0].kernel.assign([[1.0]])
    for _ in range(50):
        average.update()
    left = np.prod([(1 + n) / (10 + n) for n in range(50)])
    assert float(generator.layers[0].kernel[0, 0]) == pytest.approx(1 - left, rel=1e-5)
    assert left < 1e-7


def test_several_updates_of_the_generator_in_a_step_are_all_taken_in(assemble):
    game, made, streams = assemble("update.generator_steps=3", f"ema={DECAY}", "batch_size=8", "steps=5")
    made.advance(streams, 0, 2)
    assert int(game.average.variables[-1]) == 6


@pytest.mark.parametrize("keras", LOADS)
def test_the_audit_leaves_it_as_it_was(assemble, keras):
    game, made, streams = assemble(f"keras={keras}", f"ema={DECAY}", "batch_size=8", "steps=5")
    before = [np.array(variable.numpy()) for variable in game.average.variables]
    assert audit(made, game, streams).verdict == "state leaks"
    for variable, value in zip(game.average.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    assert int(before[-1]) == 0


@pytest.mark.parametrize("keras", LOADS)
def test_it_is_kept_with_the_weights(assemble, tmp_path, keras):
    game, made, streams = assemble(f"keras={keras}", f"ema={DECAY}", "batch_size=8", "steps=5")
    made.advance(streams, 0, 2)
    folder = checkpoints.save(game.networks, tmp_path / "weights", game.average.generator)
    assert checkpoints.has_average(folder)
    fresh, _, _ = assemble(f"keras={keras}", f"ema={DECAY}", "batch_size=8", "steps=5")
    checkpoints.restore_average(fresh.average.generator, folder)
    for a, b in zip(values(fresh.average.generator), values(game.average.generator), strict=True):
        np.testing.assert_array_equal(a, b)
    checkpoints.save(game.networks, tmp_path / "plain")
    assert not checkpoints.has_average(tmp_path / "plain")
    with pytest.raises(BadInput, match="does not hold the weights of this generator"):
        checkpoints.restore_average(fresh.average.generator, tmp_path / "plain")


def test_no_average_is_a_word_and_a_decay_a_number(check):
    assert check("ema=none").settings.ema is None
    assert check("ema=0.999").settings.ema == 0.999
    for value in ("1.0", "0.0", "2", "often", "null", "-0.5", "nan"):
        with pytest.raises(BadInput, match=r"ema=.*: must be none, or a number between 0 and 1 such as 0.999"):
            check(f"ema={value}")
