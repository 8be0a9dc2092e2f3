"""Which weights each phase moves, for every strategy and both Keras; and which strategies are the same algorithm."""

import math

import numpy as np
import pytest
from conftest import trainable, values, words

from ganfreeze.errors import BadInput

NEVER_TRAINS = {("compile", "keras3")}  # Keras 3 reads the flag when it traces, after the discriminator was frozen
# In these the generator phase moves the discriminator.
LEAKS = {
    ("unfrozen", "keras2"),  # the negative control: nothing is frozen
    ("unfrozen", "keras3"),
    ("reverse", "keras3"),  # Keras 3 reads the flag when it traces, after the discriminator was thawed
}
HONOURS_ALL = {"compile", "recompile", "reverse", "tape", "toggle", "trace", "train_step", "unfrozen"}
# Each loss is tested under a tape, and compiled in `keras_models`; the other strategies share one of these two.
EVERY_LOSS = ("tape", "toggle")
COMBINATIONS = [
    (strategy, keras, update, loss)
    for strategy in words("strategy")
    for keras in words("keras")
    for update in words("update")
    for loss in words("loss")
    if update not in ("simultaneous", "extragradient")  # a single phase is the same there; see test_update.py
    if loss == "nonsaturating" or strategy in EVERY_LOSS
]


def kernels(model):
    """Return which variables are kernels. The gradient of the last bias is 0 if its real and fake terms cancel."""
    return [len(variable.shape) > 1 for variable in model.weights]


def moved(before, after, selected=None):
    """Return for each selected variable, or for all, whether it moved."""
    selected = selected or [True] * len(before)
    return [bool((a != b).any()) for a, b, keep in zip(before, after, selected, strict=True) if keep]


@pytest.mark.parametrize(("strategy", "keras", "update", "loss"), COMBINATIONS)
def test_each_phase_moves_the_right_weights(variant, strategy, keras, update, loss):
    choice = f"strategy={strategy}", f"keras={keras}", f"update={update}", f"loss={loss}"
    try:
        networks, mechanism, streams = variant(*choice)
    except BadInput as refusal:
        assert "does not go with" in str(refusal)
        assert strategy not in HONOURS_ALL or (update, loss) == ("keras_gan", "relativistic")
        return
    assert (update, loss) != ("keras_gan", "relativistic"), "a coupled loss cannot be split"
    generator, discriminator = networks.generator, networks.discriminator
    weights = trainable(generator)
    averages = ["moving" in variable.name for variable in generator.weights]

    before = values(generator), values(discriminator)
    metrics = mechanism.phases["discriminator"].run(streams.batch(0), streams.noise(0, "discriminator"))
    after = values(generator), values(discriminator)
    assert set(metrics) == {"discriminator_loss", "accuracy_real", "accuracy_fake"}
    assert all(math.isfinite(float(value)) for value in metrics.values())
    assert not any(moved(before[0], after[0], weights)), "the generator's weights are frozen"
    assert set(moved(before[0], after[0], averages)) == {update != "keras_gan"}, (
        "making fakes in training mode moves them"
    )
    if (strategy, keras) in NEVER_TRAINS:
        assert not any(moved(before[1], after[1]))
    else:
        assert all(moved(before[1], after[1], kernels(discriminator)))

    before = after
    metrics = mechanism.phases["generator"].run(streams.batch(0), streams.noise(0, "generator"))
    after = values(generator), values(discriminator)
    assert set(metrics) == {"generator_loss"}
    if (strategy, keras) in LEAKS:
        assert all(moved(before[1], after[1], kernels(discriminator))), "nothing freezes the discriminator"
    else:
        assert not any(moved(before[1], after[1])), "the discriminator is frozen"
    assert all(moved(before[0], after[0], kernels(generator)))


def train(variant, *choice, steps=20):
    """Train a variant, and return all weights and the metrics of every five steps."""
    networks, strategy, streams = variant(*choice)
    metrics = [strategy.advance(streams, step, 5) for step in range(0, steps, 5)]
    return values(networks.generator) + values(networks.discriminator), metrics


def largest_difference(first, second):
    return max(float(np.abs(a - b).max()) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize(("keras", "strategy"), [("keras2", "compile"), ("keras2", "toggle"), ("keras3", "toggle")])
@pytest.mark.parametrize(  # the default on convolutions: test_certificate.py
    "update", ["keras_gan", "simultaneous", "extragradient", "optimistic"]
)
def test_without_batch_norm_in_the_discriminator_strategies_equal_the_tape(variant, keras, strategy, update):
    choice = f"keras={keras}", f"update={update}"
    tape, tape_metrics = train(variant, "strategy=tape", *choice)
    flags, flags_metrics = train(variant, f"strategy={strategy}", *choice)
    assert largest_difference(tape, flags) < 2e-6
    for by_tape, by_flags in zip(tape_metrics, flags_metrics, strict=True):
        assert by_tape == pytest.approx(by_flags, abs=2e-6)


@pytest.mark.parametrize("update", ["extragradient", "optimistic", "optimistic update.order=discriminator_first"])
@pytest.mark.parametrize("keras", words("keras"))
def test_strategies_that_look_ahead_are_one_algorithm(variant, keras, update):
    """In double precision they have the same bits, but for two cases that are the same to rounding.

    These are extragradient steps in the loop of a tape, which has the same bits too with TensorFlow's arithmetic
    optimizer off, and TF-GAN: `tf.gradients` finds the three gradients of the logits in another order than a tape.
    """
    choice = f"keras={keras}", "precision=float64", *f"update={update}".split()
    by_fit, _ = train(variant, "strategy=train_step", *choice, steps=5)
    for strategy in {*words("strategy")} - {"train_step"}:
        if (strategy, keras) not in NEVER_TRAINS | LEAKS:
            other, _ = train(variant, f"strategy={strategy}", *choice, steps=5)
            is_rounded = strategy == "tfgan" or (strategy, update) == ("tape", "extragradient")
            assert largest_difference(by_fit, other) <= (1e-12 if is_rounded else 0), strategy


def test_with_batch_norm_in_the_discriminator_compile_differs_from_the_tape(variant):
    choice = "architecture=dcgan", "architecture.batch_norm=true"
    tape, _ = train(variant, "strategy=tape", *choice)
    compiled, _ = train(variant, "strategy=compile", *choice)
    assert largest_difference(tape, compiled) > 0.01


def test_both_keras_train_alike_under_the_tape(variant):
    keras2, _ = train(variant, "keras=keras2")
    keras3, _ = train(variant, "keras=keras3")
    assert largest_difference(keras2, keras3) < 1e-4


def test_discriminator_steps_are_updates_on_batches_of_their_own(variant):
    networks, strategy, streams = variant("strategy=tape", "update.discriminator_steps=3")
    strategy.advance(streams, 0, 2)
    by_hand, hand_strategy, _ = variant("strategy=tape", "update.discriminator_steps=3")
    discriminator, generator = (hand_strategy.phases[name] for name in ("discriminator", "generator"))
    for step in range(2):
        for draw in range(3):
            discriminator.run(streams.batch(step, draw), streams.noise(step, "discriminator", draw))
        generator.run(streams.batch(step, 2), streams.noise(step, "generator", 2))
    assert largest_difference(values(networks.discriminator), values(by_hand.discriminator)) == 0
    assert largest_difference(values(networks.generator), values(by_hand.generator)) == 0


def test_the_keras_gan_update_is_the_algorithm_of_keras_gan(variant, digits):
    """Compared with Keras-GAN's gan.py as it is written: sigmoid, binary cross-entropy, `predict`, three batches."""
    from ganfreeze.backend.keras import keras2

    keras = keras2.load()
    networks, strategy, streams = variant("strategy=compile", "update=keras_gan", "optimizer=sgd")
    plain, _, _ = variant("strategy=compile", "update=keras_gan", "optimizer=sgd")
    generator = plain.generator
    discriminator = keras.Sequential([plain.discriminator, keras.layers.Activation("sigmoid")])
    plain.discriminator.trainable = True
    discriminator.compile(loss="binary_crossentropy", optimizer=keras.optimizers.SGD(0.01))
    latent = keras.layers.Input(shape=(100,))
    discriminator.trainable = False
    combined = keras.Model(latent, discriminator(generator(latent)))
    combined.compile(loss="binary_crossentropy", optimizer=keras.optimizers.SGD(0.01))

    ones, zeros = np.ones((16, 1)), np.zeros((16, 1))
    for step in range(5):
        fakes = generator.predict(streams.noise(step, "discriminator"), verbose=0)
        real_loss = discriminator.train_on_batch(streams.batch(step), ones)
        fake_loss = discriminator.train_on_batch(fakes, zeros)
        generator_loss = combined.train_on_batch(streams.noise(step, "generator"), ones)
        metrics = strategy.advance(streams, step, 1)
        assert metrics["discriminator_loss"] == pytest.approx(real_loss + fake_loss, rel=1e-5)
        assert metrics["generator_loss"] == pytest.approx(generator_loss, rel=1e-5)
    for ours, theirs in ((networks.generator, generator), (networks.discriminator, plain.discriminator)):
        assert largest_difference(values(ours), values(theirs)) < 1e-6
