"""Who moves when, for every strategy under both Keras, and which strategies are the same algorithm."""

import math

import numpy as np
import pytest
from conftest import trainable, values, words

from ganfreeze.errors import BadInput

NEVER_TRAINS = {("compile", "keras3")}  # Keras 3 reads the flag when it traces, after the discriminator was frozen
LEAKS = {  # into the discriminator, in the generator phase
    ("unfrozen", "keras2"),  # the negative control: nothing is frozen
    ("unfrozen", "keras3"),
    ("reverse", "keras3"),  # Keras 3 reads the flag when it traces, after the discriminator was thawed
}
HONOURS_ALL = {"compile", "recompile", "reverse", "tape", "toggle", "trace", "train_step", "unfrozen"}
EVERY_LOSS = ("tape", "toggle")  # each loss by a tape, and as a compiled one in `trainers`, which the others share
COMBINATIONS = [
    (strategy, keras, update, loss)
    for strategy in words("strategy")
    for keras in words("keras")
    for update in words("update")
    for loss in words("loss")
    if update != "simultaneous"  # no matter to a phase by itself; see test_update.py
    if loss == "nonsaturating" or strategy in EVERY_LOSS
]


def kernels(model):
    """Biases are left out: that of the last layer has gradient 0 where the terms of real and fake cancel."""
    return [len(variable.shape) > 1 for variable in model.weights]


def moved(before, after, kept=None):
    kept = kept or [True] * len(before)
    return [bool((a != b).any()) for a, b, keep in zip(before, after, kept, strict=True) if keep]


@pytest.mark.parametrize(("strategy", "keras", "update", "loss"), COMBINATIONS)
def test_each_phase_moves_the_right_weights(variant, strategy, keras, update, loss):
    choice = f"strategy={strategy}", f"keras={keras}", f"update={update}", f"loss={loss}"
    try:
        networks, strategy_, streams = variant(*choice)
    except BadInput as refusal:
        assert "does not go with" in str(refusal)
        assert strategy not in HONOURS_ALL or (update, loss) == ("seed", "relativistic")
        return
    assert (update, loss) != ("seed", "relativistic"), "a coupled loss cannot be split"
    generator, discriminator = networks.generator, networks.discriminator
    weights = trainable(generator)

    averages = ["moving" in variable.name for variable in generator.weights]
    before = values(generator), values(discriminator)
    scalars = strategy_.phases["discriminator"].run(streams.batch(0), streams.noise(0, "discriminator"))
    after = values(generator), values(discriminator)
    assert set(scalars) == {"discriminator_loss", "accuracy_real", "accuracy_fake"}
    assert all(math.isfinite(float(value)) for value in scalars.values())
    assert not any(moved(before[0], after[0], weights)), "the generator's weights are frozen"
    assert set(moved(before[0], after[0], averages)) == {update != "seed"}, "fakes in training mode move these"
    if (strategy, keras) in NEVER_TRAINS:
        assert not any(moved(before[1], after[1]))
    else:
        assert all(moved(before[1], after[1], kernels(discriminator)))

    before = after
    scalars = strategy_.phases["generator"].run(streams.batch(0), streams.noise(0, "generator"))
    after = values(generator), values(discriminator)
    assert set(scalars) == {"generator_loss"}
    if (strategy, keras) in LEAKS:
        assert all(moved(before[1], after[1], kernels(discriminator))), "it is a control"
    else:
        assert not any(moved(before[1], after[1])), "the discriminator is frozen"
    assert all(moved(before[0], after[0], kernels(generator)))


def run(variant, *choice, steps=20):
    networks, strategy, streams = variant(*choice)
    scalars = [strategy.advance(streams, step, 5) for step in range(0, steps, 5)]
    return values(networks.generator) + values(networks.discriminator), scalars


def largest_difference(one, other):
    return max(float(np.abs(a - b).max()) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(("keras", "strategy"), [("keras2", "compile"), ("keras2", "toggle"), ("keras3", "toggle")])
@pytest.mark.parametrize("update", ["seed", "simultaneous"])  # the default on convolutions: test_certificate.py
def test_they_are_the_tape_where_the_discriminator_has_no_batch_norm(variant, keras, strategy, update):
    choice = f"keras={keras}", f"update={update}"
    tape, tape_scalars = run(variant, "strategy=tape", *choice)
    other, other_scalars = run(variant, f"strategy={strategy}", *choice)
    assert largest_difference(tape, other) < 2e-6
    for one, two in zip(tape_scalars, other_scalars, strict=True):
        assert one == pytest.approx(two, abs=2e-6)


def test_compile_parts_from_the_tape_where_the_discriminator_has_batch_norm(variant):
    choice = "architecture=dcgan", "architecture.batch_norm=true"
    tape, _ = run(variant, "strategy=tape", *choice)
    compiled, _ = run(variant, "strategy=compile", *choice)
    assert largest_difference(tape, compiled) > 0.01


def test_the_tape_leaks_into_the_frozen_discriminators_averages(variant):
    """A frozen BatchNormalization is in inference mode under `compile`, in training mode under a tape."""
    for strategy, leaks in (("tape", True), ("compile", False), ("toggle", False)):
        networks, made, streams = variant(f"strategy={strategy}", "architecture=dcgan")
        kept = ["moving" in variable.name for variable in networks.discriminator.weights]
        before = values(networks.discriminator)
        made.phases["generator"].run(streams.batch(0), streams.noise(0, "generator"))
        assert set(moved(before, values(networks.discriminator), kept)) == {leaks}


def test_both_keras_train_alike_under_the_tape(variant):
    two, _ = run(variant, "keras=keras2")
    three, _ = run(variant, "keras=keras3")
    assert largest_difference(two, three) < 1e-4


def test_discriminator_steps_are_updates_on_batches_of_their_own(variant):
    networks, strategy, streams = variant("strategy=tape", "update.discriminator_steps=3")
    strategy.advance(streams, 0, 2)
    by_hand, hand, _ = variant("strategy=tape", "update.discriminator_steps=3")
    for step in range(2):
        for draw in range(3):
            hand.phases["discriminator"].run(streams.batch(step, draw), streams.noise(step, "discriminator", draw))
        hand.phases["generator"].run(streams.batch(step, 2), streams.noise(step, "generator", 2))
    assert largest_difference(values(networks.discriminator), values(by_hand.discriminator)) == 0
    assert largest_difference(values(networks.generator), values(by_hand.generator)) == 0


def test_seed_update_is_the_question_s_own_algorithm(variant, digits):
    """Against Keras-GAN's gan.py as it is written: sigmoid, binary cross-entropy, `predict`, three batches."""
    from ganfreeze.backend.keras import keras2

    keras = keras2.load()
    networks, strategy, streams = variant("strategy=compile", "update=seed", "optimizer=sgd")
    plain, _, _ = variant("strategy=compile", "update=seed", "optimizer=sgd")
    optimizer = lambda: keras.optimizers.SGD(0.01)  # noqa: E731
    generator = plain.generator
    discriminator = keras.Sequential([plain.discriminator, keras.layers.Activation("sigmoid")])
    plain.discriminator.trainable = True
    discriminator.compile(loss="binary_crossentropy", optimizer=optimizer())
    z = keras.layers.Input(shape=(100,))
    discriminator.trainable = False
    combined = keras.Model(z, discriminator(generator(z)))
    combined.compile(loss="binary_crossentropy", optimizer=optimizer())

    ones, zeros = np.ones((16, 1)), np.zeros((16, 1))
    for step in range(5):
        fakes = generator.predict(streams.noise(step, "discriminator"), verbose=0)
        real_loss = discriminator.train_on_batch(streams.batch(step), ones)
        fake_loss = discriminator.train_on_batch(fakes, zeros)
        generator_loss = combined.train_on_batch(streams.noise(step, "generator"), ones)
        scalars = strategy.advance(streams, step, 1)
        assert scalars["discriminator_loss"] == pytest.approx(real_loss + fake_loss, rel=1e-5)
        assert scalars["generator_loss"] == pytest.approx(generator_loss, rel=1e-5)
    for ours, theirs in ((networks.generator, generator), (networks.discriminator, plain.discriminator)):
        assert largest_difference(values(ours), values(theirs)) < 1e-6
