"""Networks from files of Keras: the weights that were saved, under every strategy that goes with this Keras."""

import numpy as np
import pytest
from conftest import values, words

from ganfreeze.errors import BadInput
from ganfreeze.gan.architecture.saved import Saved
from ganfreeze.gan.freeze.lower import Lower
from ganfreeze.proof.audit import audit


def networks(keras, *, layers=(), output=None, **options):
    """Return a generator and a discriminator of digits."""
    generator = keras.Sequential(
        [
            keras.layers.Input((5,)),
            keras.layers.Dense(64, activation="tanh"),
            keras.layers.BatchNormalization(),
            keras.layers.Reshape((8, 8, 1)),
        ]
    )
    examples = keras.layers.Input((8, 8, 1))
    hidden = keras.layers.Dense(8, activation="relu", **options)(keras.layers.Flatten()(examples))
    for layer in layers:
        hidden = layer(hidden)
    return generator, keras.Model(examples, keras.layers.Dense(1, activation=output)(hidden))


def save(folder, generator, discriminator):
    """Save both, and return the options of the architecture."""
    generator.save(folder / "generator.keras")
    discriminator.save(folder / "discriminator.keras")
    return {
        name: str(folder / f"{name.removesuffix('_file')}.keras") for name in ("generator_file", "discriminator_file")
    }


@pytest.fixture
def build(keras, tmp_path):
    """Return a function that saves networks and builds the architecture of them."""

    def saved(generator, discriminator, shape=(8, 8, 1), latent_dim=5, packing=1):
        architecture = Saved(**save(tmp_path, generator, discriminator), latent_dim=latent_dim)
        architecture.check(shape)
        random = np.random.default_rng(0)
        return architecture.build(keras=keras, example_shape=shape, random=random, packing=packing)

    return saved


def test_the_weights_are_those_that_were_saved(keras, build):
    pair = networks(keras)
    built = build(*pair)
    for own, network in zip(pair, (built.generator, built.discriminator), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(values(own), values(network), strict=True))
    assert built.independent


def test_batch_normalization_makes_a_discriminator_judge_real_and_fake_apart(keras, build):
    assert not build(*networks(keras, layers=[keras.layers.BatchNormalization()])).independent


def test_operations_and_layers_of_ones_own_may_join_examples(keras, build):
    """Their classes are of private modules, and of `__main__`, which Keras writes as null."""
    if keras.__version__[0] == "3":

        def deviation(hidden):
            return hidden + keras.ops.std(hidden, axis=0, keepdims=True)
    else:
        import tensorflow as tf

        def deviation(hidden):
            return hidden + tf.math.reduce_std(hidden, axis=0, keepdims=True)

    own = type("Deviation", (keras.layers.Layer,), {"call": lambda self, hidden: deviation(hidden)})
    own.__module__ = "__main__"
    assert not build(*networks(keras, layers=[deviation])).independent
    with keras.utils.custom_object_scope({"Deviation": own}):
        assert not build(*networks(keras, layers=[own()])).independent


def test_lower_layers_of_a_saved_discriminator_can_be_held(keras, build):
    held = Lower(layers=1).apply(build(*networks(keras)))
    kernel, bias, *others = held.discriminator.weights
    assert [id(weight) for weight in held.held_weights] == [id(kernel), id(bias)]
    assert [id(weight) for weight in held.discriminator.trainable_weights] == [id(weight) for weight in others]
    held.discriminator.trainable = False
    held.thaw()
    assert [id(weight) for weight in held.discriminator.trainable_weights] == [id(weight) for weight in others]
    with pytest.raises(BadInput, match="has 2 layers with a kernel"):
        Lower(layers=2).apply(build(*networks(keras)))


def test_what_a_mechanism_cannot_honour_is_refused(keras, build):
    with pytest.raises(BadInput, match=r"ends in a sigmoid; the losses take logits"):
        build(*networks(keras, output="sigmoid"))
    with pytest.raises(BadInput, match=r"discriminator.keras has losses of its own"):
        build(*networks(keras, kernel_regularizer="l2"))
    with pytest.raises(BadInput, match=r"generator.keras takes \(5\); here the generator takes \(100\)"):
        build(*networks(keras), latent_dim=100)
    with pytest.raises(
        BadInput, match=r"generator.keras returns \(8, 8, 1\); here the generator returns \(28, 28, 1\)"
    ):
        build(*networks(keras), shape=(28, 28, 1))
    with pytest.raises(
        BadInput, match=r"discriminator.keras takes \(8, 8, 1\); here the discriminator takes \(8, 8, 2\)"
    ):
        build(*networks(keras), packing=2)
    generator, discriminator = networks(keras)
    discriminator.trainable = False
    with pytest.raises(BadInput, match=r"`trainable` of .* is False"):
        build(generator, discriminator)


def test_files_that_are_none_of_keras_are_refused(keras, tmp_path):
    with pytest.raises(BadInput, match="there is no such file"):
        Saved(generator_file=str(tmp_path / "no.keras")).check((8, 8, 1))
    (tmp_path / "text.keras").write_text("text")
    with pytest.raises(BadInput, match=r"no file in the format \.keras"):
        Saved(generator_file=str(tmp_path / "text.keras")).check((8, 8, 1))


def test_a_file_of_another_keras_is_refused(keras, tmp_path):
    from ganfreeze.backend.keras import keras2, keras3

    other, word = (keras3.load(), "keras2") if keras is keras2.load() else (keras2.load(), "keras3")
    architecture = Saved(**save(tmp_path, *networks(keras)), latent_dim=5)
    with pytest.raises(BadInput, match=f"it needs keras={word}"):
        architecture.build(keras=other, example_shape=(8, 8, 1), random=np.random.default_rng(0))


@pytest.mark.parametrize("strategy", words("strategy"))
def test_every_strategy_trains_them(keras, parse, tmp_path, strategy):
    from ganfreeze.app import training_setup

    files = save(tmp_path, *networks(keras, layers=[keras.layers.Dropout(0.3)]))
    options = [f"architecture.{name}='{path}'" for name, path in files.items()]
    word = "keras2" if keras.__version__[0] == "2" else "keras3"
    variant = parse(
        f"strategy={strategy}", f"keras={word}", "architecture=saved", "architecture.latent_dim=5", *options
    )
    dataset = variant.source.load()
    setup = training_setup.build(variant, dataset)
    training_setup.require_seeded(variant, dataset, setup.game.networks)
    failure = setup.strategy.known_failure
    known = failure and all(variant.values[key] in choices for key, choices in failure.when.items())
    assert (audit(setup.strategy, setup.game, setup.streams).verdict == "violation") == bool(known)
