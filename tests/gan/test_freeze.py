"""FreezeD: what is held stays as it is, bit for bit, in both phases and under every mechanism."""

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
    return architecture.build(keras=LOADS[keras](), image_shape=shape, random=np.random.default_rng(0))


def kinds(layers):
    return [type(layer).__name__ for layer in layers]


# ------------------------------------------------------------------------------------------------ what is held


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
def test_what_is_held_is_nearest_to_the_image(keras, architecture, layers, held):
    whole = build(architecture, keras)
    trained = list(whole.discriminator.trainable_variables)
    networks = Lower(layers=layers).apply(whole)
    assert kinds(networks.held) == held
    assert list(networks.held) == [layer for layer in whole.discriminator.layers if layer.weights][: len(held)]
    left = {id(variable) for variable in networks.discriminator.trainable_variables}
    assert [id(each) in left for each in trained] == [False] * 2 * len(held) + [True] * (len(trained) - 2 * len(held))
    assert [id(each) for each in networks.held_weights] == [id(each) for each in trained[: 2 * len(held)]]


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
def test_one_layer_must_train(architecture, shape, layers, message):
    networks = build(architecture, shape=shape)
    with pytest.raises(BadInput, match=message):
        Lower(layers=layers).apply(networks)
    assert all(layer.trainable for layer in networks.discriminator.layers), "what is refused is left as it was"


@pytest.mark.parametrize("keras", LOADS)
def test_thawing_leaves_out_what_is_held(keras):
    networks = Lower(layers=1).apply(build(Mlp(), keras))
    before = [id(each) for each in networks.discriminator.trainable_variables]
    networks.discriminator.trainable = False
    assert not networks.discriminator.trainable_variables
    networks.thaw()
    assert [id(each) for each in networks.discriminator.trainable_variables] == before
    assert len(before) == 4


# ----------------------------------------------------------------------------------------------------- in training


def moved(before, after):
    return [bool((a != b).any()) for a, b in zip(before, after, strict=True)]


EVERY = [(strategy, keras, 2) for strategy in words("strategy") for keras in words("keras")]
FLAGS = [("toggle", "keras3", 1), ("trace", "keras3", 1)]


@pytest.mark.parametrize(("strategy", "keras", "layers"), [*EVERY, *FLAGS])
def test_held_layers_stay_still_and_the_rest_trains(variant, strategy, keras, layers):
    """Of each phase twice: a mechanism that sets flags between them must not thaw what is held."""
    choice = (f"strategy={strategy}", f"keras={keras}", "freeze=lower", f"freeze.layers={layers}")
    try:
        networks, made, streams = variant(*choice)
    except BadInput as refusal:
        assert f"strategy={strategy} does not go with" in str(refusal)
        assert strategy == "tfgan"
        return
    discriminator, generator = networks.discriminator, networks.generator
    trains = [False] * 2 * layers + [True] * 2 * (3 - layers)
    learns = [(strategy, keras) != ("compile", "keras3") and each for each in trains]
    leaks = strategy == "unfrozen" or (strategy, keras) == ("reverse", "keras3")
    kernels = slice(None, None, 2)  # the last bias has no gradient where real and fake cancel
    for step in range(2):
        before = values(discriminator)
        made.phases["discriminator"].run(streams.batch(step), streams.noise(step, "discriminator"))
        middle, kept = values(discriminator), values(generator)
        assert moved(before, middle)[kernels] == learns[kernels]
        assert not any(moved(before[: 2 * layers], middle[: 2 * layers]))
        made.phases["generator"].run(streams.batch(step), streams.noise(step, "generator"))
        after = values(discriminator)
        assert moved(middle, after)[kernels] == [leaks and each for each in trains][kernels]
        assert not any(moved(middle[: 2 * layers], after[: 2 * layers]))
        assert any(moved(kept, values(generator)))


BATCH_NORM = ("architecture=dcgan", "architecture.filters=8", "architecture.batch_norm=true")


@pytest.mark.parametrize(
    ("strategy", "keras", "freeze", "stirs"),
    [
        ("tape", "keras2", "freeze=none", True),
        ("tape", "keras2", "freeze=lower freeze.layers=1", True),
        ("tape", "keras2", "freeze=lower freeze.layers=2", False),
        ("toggle", "keras3", "freeze=lower freeze.layers=2", False),
        ("train_step", "keras3", "freeze=lower freeze.layers=2", False),
    ],
)
def test_a_held_batch_norm_keeps_its_averages(variant, strategy, keras, freeze, stirs):
    """Its layer's flag puts it in inference mode, whatever the mechanism; one that is not held goes on."""
    networks, made, streams = variant(f"strategy={strategy}", f"keras={keras}", *BATCH_NORM, *freeze.split())
    names = [variable.name for variable in networks.discriminator.weights]
    averages = ["moving" in name for name in names]
    before = values(networks.discriminator)
    made.advance(streams, 0, 2)
    changed = moved(before, values(networks.discriminator))
    assert [each for each, average in zip(changed, averages, strict=True) if average] == [stirs, stirs]
    assert changed[-2], "the last kernel trains"
    if not stirs:
        assert not any(changed[:-2]), "both convolutions and the BatchNormalization are held"
