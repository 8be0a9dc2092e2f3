"""The mode in which the frozen discriminator judges: what each mechanism does by itself, and what it can be told."""

from itertools import product

import numpy as np
import pytest
from conftest import trainable, values, words

from ganfreeze.errors import BadInput, Refused
from ganfreeze.gan.architecture.mlp import Mlp
from ganfreeze.strategy.engine import phases

DCGAN = ("architecture=dcgan", "architecture.filters=4", "batch_size=8")
OWN_GRADIENTS = ("tape", "train_step", "tfgan")


def averages_moved(networks, strategy, streams):
    """Run the generator phase, and return whether it moved the discriminator's averages."""
    state = [not flag for flag in trainable(networks.discriminator)]
    before = values(networks.discriminator)
    strategy.phases["generator"].run(streams.batch(0), streams.noise(0, "generator"))
    pairs = zip(before, values(networks.discriminator), state, strict=True)
    return any((old != new).any() for old, new, is_state in pairs if is_state)


@pytest.mark.parametrize(("keras", "judge"), product(words("keras"), ["auto", "inference", "training"]))
@pytest.mark.parametrize("strategy", words("strategy"))
def test_a_strategy_judges_in_the_mode_that_it_names(variant, strategy, keras, judge):
    choice = f"strategy={strategy}", f"keras={keras}", f"update.judge={judge}"
    if judge == "training" and strategy not in (*OWN_GRADIENTS, "unfrozen"):  # in the last, no flag is False
        with pytest.raises(Refused, match=r"does not go with update\.judge=training, architecture\.batch_norm=true"):
            variant(*choice, *DCGAN)
        return
    networks, mechanism, streams = variant(*choice, *DCGAN)
    assert mechanism.judge in ("training", "inference")
    assert averages_moved(networks, mechanism, streams) == (mechanism.judge == "training")
    if judge != "auto":
        assert mechanism.judge == judge
    elif strategy in OWN_GRADIENTS:
        assert mechanism.judge == "training"
    elif (strategy, keras) not in {("unfrozen", "keras2"), ("unfrozen", "keras3"), ("reverse", "keras3")}:
        assert mechanism.judge == "inference", "a flag puts BatchNormalization into inference mode"


def train(variant, *choice, steps=10):
    networks, strategy, streams = variant(*choice)
    strategy.advance(streams, 0, steps)
    return strategy.judge, [*values(networks.generator), *values(networks.discriminator)]


@pytest.mark.parametrize(("strategy", "keras"), [("tape", "keras2"), ("toggle", "keras2"), ("toggle", "keras3")])
def test_without_batch_norm_the_mode_changes_nothing(variant, strategy, keras):
    runs = {
        judge: train(variant, f"strategy={strategy}", f"keras={keras}", f"update.judge={judge}")
        for judge in ("auto", "training", "inference")
    }
    assert {judge: mode for judge, (mode, _) in runs.items()} == {
        "auto": "training",
        "training": "training",
        "inference": "inference",
    }
    for _, weights in runs.values():
        assert all(np.array_equal(a, b) for a, b in zip(weights, runs["auto"][1], strict=True))


@pytest.mark.parametrize("keras", words("keras"))
def test_a_coupled_loss_judges_real_examples_in_the_same_mode(variant, keras):
    choice = f"keras={keras}", "loss=relativistic", "update.judge=inference", "precision=float64", *DCGAN
    _, expected = train(variant, "strategy=toggle", *choice)
    for strategy in OWN_GRADIENTS:
        _, weights = train(variant, f"strategy={strategy}", *choice)
        largest = max(float(np.abs(a - b).max()) for a, b in zip(weights, expected, strict=True))
        assert largest < 1e-9, strategy


@pytest.mark.parametrize("strategy", ["compile", "toggle"])
def test_an_own_architecture_with_batch_norm_is_refused_when_it_is_built(parse, keras, strategy):
    from ganfreeze.app.training_setup import build

    class Normalized(Mlp):
        """An architecture whose options do not say that its discriminator has BatchNormalization."""

        def is_independent(self):
            return False

        def judge(self, keras, examples, random):
            return super().judge(keras, keras.layers.BatchNormalization()(examples), random)

    word = {"tf_keras": "keras2", "keras": "keras3"}[keras.__name__]
    variant = parse(f"strategy={strategy}", f"keras={word}", "update.judge=training")
    variant = variant._replace(architecture=Normalized())
    with pytest.raises(BadInput, match="the discriminator has BatchNormalization, and a strategy that freezes it by"):
        build(variant, variant.source.load())


def test_the_habit_of_a_flag_is_mixed_if_another_layer_has_modes(build, keras):
    word = {"tf_keras": "keras2", "keras": "keras3"}[keras.__name__]
    for option, mode in (
        ("spectral_norm=false", "inference"),
        ("spectral_norm=true", "mixed"),
        ("dropout=0.3", "mixed"),
    ):
        _, strategy, _ = build("strategy=toggle", f"keras={word}", *DCGAN, f"architecture.{option}")
        assert strategy.judge == mode


def test_a_flag_leaves_dropout_in_training_mode(parse, keras):
    """With BatchNormalization as well, the habit of a flag is neither of both modes."""
    from ganfreeze.app.training_setup import build
    from ganfreeze.gan.layers.random import set_seed

    class Dropping(Mlp):
        def judge(self, keras, examples, random):
            x = keras.layers.Dropout(0.5)(keras.layers.BatchNormalization()(examples))
            return super().judge(keras, x, random)

    word = {"tf_keras": "keras2", "keras": "keras3"}[keras.__name__]
    for judge, mode in (("auto", "mixed"), ("inference", "inference")):
        variant = parse("strategy=toggle", f"keras={word}", f"update.judge={judge}")
        variant = variant._replace(architecture=Dropping())
        game, strategy, streams = build(variant, variant.source.load())
        assert phases.habit(game, flag=True) == "mixed"
        assert phases.habit(game, flag=False) == "training"
        assert strategy.judge == mode
        examples = streams.batch(0)
        game.networks.discriminator.trainable = False
        logits = []
        for latent in (streams.noise(0, "generator"), streams.noise(1, "generator")):
            set_seed(game.networks.seed, "generator", latent)
            training = mode == "mixed"
            logits.append(np.array(game.networks.discriminator(examples, training=training)))
        assert (logits[0] == logits[1]).all() == (mode == "inference")
