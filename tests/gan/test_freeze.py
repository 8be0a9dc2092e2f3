"""FreezeD: held layers stay the same, bit for bit, in both phases and under every strategy."""

import numpy as np
import pytest
from conftest import LOADS, values, words

from ganfreeze.errors import BadInput
from ganfreeze.gan.architecture.dcgan import Dcgan
from ganfreeze.gan.architecture.dirac import Dirac
from ganfreeze.gan.architecture.mlp import Mlp
from ganfreeze.gan.freeze.lower import Lower
from ganfreeze.gan.freeze.none import NoFreeze


def build(architecture, keras="keras2", shape=(8, 8, 1)):
    return architecture.build(keras=LOADS[keras](), example_shape=shape, random=np.random.default_rng(0))


def type_names(layers):
    return [type(layer).__name__ for layer in layers]


# -------------------------------------------------------------------------------------------------- held layers


@pytest.mark.parametrize("keras", LOADS)
@pytest.mark.parametrize(
    ("architecture", "layers", "held"),
    [
        (Mlp(), 1, ["Dense"]),
        (Mlp(), 2, ["Dense", "Dense"]),
        (Dcgan(filters=4), 1, ["Conv2D"]),
        (Dcgan(filters=4), 2, ["Conv2D", "Conv2D", "BatchNormalization"]),
        (Dcgan(filters=4, batch_norm=False), 2, ["Conv2D", "Conv2D"]),
    ],
)
def test_the_held_layers_are_those_nearest_to_the_input(keras, architecture, layers, held):
    original = build(architecture, keras)
    weights = list(original.discriminator.trainable_variables)
    networks = Lower(layers=layers).apply(original)
    assert type_names(networks.held) == held
    assert list(networks.held) == [layer for layer in original.discriminator.layers if layer.weights][: len(held)]
    trained = {id(variable) for variable in networks.discriminator.trainable_variables}
    expected = [False] * 2 * len(held) + [True] * (len(weights) - 2 * len(held))
    assert [id(weight) in trained for weight in weights] == expected
    assert [id(weight) for weight in networks.held_weights] == [id(weight) for weight in weights[: 2 * len(held)]]


def test_none_holds_nothing():
    networks = build(Mlp())
    assert NoFreeze().apply(networks) is networks
    assert (networks.held, networks.held_weights) == ((), ())


@pytest.mark.parametrize(
    ("architecture", "shape", "layers", "message"),
    [
        (Mlp(), (8, 8, 1), 3, "freeze.layers=3: this discriminator has 3 layers .* at most 2 can be held"),
        (Dcgan(filters=4), (8, 8, 1), 9, "freeze.layers=9: this discriminator has 3 layers .* at most 2 can be held"),
        (Dirac(), (1,), 1, "freeze.layers=1: this discriminator has 1 layers .* set freeze=none"),
    ],
)
def test_at_least_one_layer_must_train(architecture, shape, layers, message):
    networks = build(architecture, shape=shape)
    with pytest.raises(BadInput, match=message):
        Lower(layers=layers).apply(networks)
    assert all(layer.trainable for layer in networks.discriminator.layers), "a refused choice changes no layer"


@pytest.mark.parametrize("keras", LOADS)
def test_thaw_keeps_held_layers_frozen(keras):
    networks = Lower(layers=1).apply(build(Mlp(), keras))
    before = [id(weight) for weight in networks.discriminator.trainable_variables]
    networks.discriminator.trainable = False
    assert not networks.discriminator.trainable_variables
    networks.thaw()
    assert [id(weight) for weight in networks.discriminator.trainable_variables] == before
    assert len(before) == 4


# -------------------------------------------------------------------------------------------------- in training


def have_moved(before, after):
    return [bool((a != b).any()) for a, b in zip(before, after, strict=True)]


EVERY = [(strategy, keras, 2) for strategy in words("strategy") for keras in words("keras")]
FLAGS = [("toggle", "keras3", 1), ("trace", "keras3", 1)]


@pytest.mark.parametrize(("strategy", "keras", "layers"), [*EVERY, *FLAGS])
def test_held_layers_stay_still_and_the_rest_trains(variant, strategy, keras, layers):
    """Each phase runs twice: a mechanism that sets flags between phases must not unfreeze held layers."""
    held = ("freeze=lower", f"freeze.layers={layers}", "architecture.discriminator_units=[16,16]")
    choice = (f"strategy={strategy}", f"keras={keras}", *held)
    try:
        networks, mechanism, streams = variant(*choice)
    except BadInput as refusal:
        assert f"strategy={strategy} does not go with" in str(refusal)
        assert strategy == "tfgan"
        return
    discriminator, generator = networks.discriminator, networks.generator
    not_held = [False] * 2 * layers + [True] * 2 * (3 - layers)
    trains = [(strategy, keras) != ("compile", "keras3") and is_free for is_free in not_held]
    leaks = strategy == "unfrozen" or (strategy, keras) == ("reverse", "keras3")
    kernels = slice(None, None, 2)  # without biases: the last one has no gradient if real and fake terms cancel
    for step in range(2):
        before = values(discriminator)
        mechanism.phases["discriminator"].run(streams.batch(step), streams.noise(step, "discriminator"))
        middle, generator_before = values(discriminator), values(generator)
        assert have_moved(before, middle)[kernels] == trains[kernels]
        assert not any(have_moved(before[: 2 * layers], middle[: 2 * layers]))
        mechanism.phases["generator"].run(streams.batch(step), streams.noise(step, "generator"))
        after = values(discriminator)
        assert have_moved(middle, after)[kernels] == [leaks and is_free for is_free in not_held][kernels]
        assert not any(have_moved(middle[: 2 * layers], after[: 2 * layers]))
        assert any(have_moved(generator_before, values(generator)))


BATCH_NORM = ("architecture=dcgan", "architecture.filters=8", "architecture.batch_norm=true")


@pytest.mark.parametrize(
    ("strategy", "keras", "freeze", "moves"),
    [
        ("tape", "keras2", "freeze=none", True),
        ("tape", "keras2", "freeze=lower freeze.layers=1", True),
        ("tape", "keras2", "freeze=lower freeze.layers=2", False),
        ("toggle", "keras3", "freeze=lower freeze.layers=2", False),
        ("train_step", "keras3", "freeze=lower freeze.layers=2", False),
    ],
)
def test_a_held_batch_norm_keeps_its_averages(variant, strategy, keras, freeze, moves):
    """Its `trainable` flag puts it in inference mode, under every strategy. If not held, it updates its averages."""
    networks, mechanism, streams = variant(f"strategy={strategy}", f"keras={keras}", *BATCH_NORM, *freeze.split())
    names = [variable.name for variable in networks.discriminator.weights]
    before = values(networks.discriminator)
    mechanism.advance(streams, 0, 2)
    moved = have_moved(before, values(networks.discriminator))
    assert [has_moved for has_moved, name in zip(moved, names, strict=True) if "moving" in name] == [moves, moves]
    assert moved[-2], "the last kernel trains"
    if not moves:
        assert not any(moved[:-2]), "both convolutions and the BatchNormalization are held"
