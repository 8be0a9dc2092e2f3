"""Random layers draw the same numbers under every mechanism, both Keras, fused or not, compiled by XLA or not."""

import numpy as np
import pytest
from conftest import build_networks, values, words

from ganfreeze.backend import tensorflow as tf
from ganfreeze.errors import BadInput
from ganfreeze.gan.architecture.dcgan import Dcgan
from ganfreeze.gan.architecture.mlp import Mlp
from ganfreeze.gan.layers.random import drive, set_seed
from ganfreeze.proof import audit

LATENT = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
ONES = np.ones((64, 500), np.float32)


def driven(keras, *layers, phase="discriminator", latent=LATENT):
    """Drive these layers, and set their seed."""
    seed = drive(keras, layers)
    set_seed(seed, phase, latent)
    return seed


def test_dropout_drops_its_share_and_scales_the_rest(keras):
    layer = keras.layers.Dropout(0.3)
    driven(keras, layer)
    result = np.array(layer(ONES, training=True))
    np.testing.assert_allclose(np.unique(result), [0, 1 / 0.7], rtol=1e-6)
    assert (result == 0).mean() == pytest.approx(0.3, abs=4 * np.sqrt(0.3 * 0.7 / ONES.size))
    assert (np.array(layer(ONES, training=False)) == ONES).all()
    assert (np.array(layer(ONES, training=True)) == result).all(), "the phase has one mask"


def test_numbers_depend_on_the_latent_batch_the_phase_and_the_layer(keras):
    layers = [keras.layers.Dropout(0.5) for _ in range(2)]
    seed = drive(keras, layers)
    masks = []
    for phase in ("discriminator", "generator"):
        for latent in (LATENT, LATENT + 1):
            set_seed(seed, phase, latent)
            masks += [np.array(layer(ONES, training=True)) for layer in layers]
    agree = [(a == b).mean() for number, a in enumerate(masks) for b in masks[:number]]
    assert np.allclose(agree, 0.5, atol=0.02), "independent masks agree in half of the places"


def test_both_keras_and_xla_draw_the_same(keras):
    from ganfreeze.backend.keras import keras2

    reference = keras2.load().layers.Dropout(0.5)
    driven(keras2.load(), reference)
    expected = np.array(reference(ONES, training=True))
    layer = keras.layers.Dropout(0.5)
    driven(keras, layer)
    compiled = tf.function(lambda x: tf.convert_to_tensor(layer(x, training=True)), jit_compile=True, autograph=False)
    assert (np.array(layer(ONES, training=True)) == expected).all()
    assert (compiled(ONES).numpy() == expected).all()


def test_the_other_kinds(keras):
    layers = keras.layers
    spatial, shared = layers.SpatialDropout2D(0.5), layers.Dropout(0.5, noise_shape=(None, 1))
    noise, product = layers.GaussianNoise(0.5), layers.GaussianDropout(0.2)
    driven(keras, spatial, shared, noise, product)
    images = np.array(spatial(np.ones((8, 4, 4, 50), np.float32), training=True))
    assert set(np.unique(images)) == {0, 2}
    assert (images == images[:, :1, :1]).all(), "whole channels are dropped"
    rows = np.array(shared(ONES, training=True))
    assert (rows == rows[:, :1]).all(), "whole rows are dropped"
    added = np.array(noise(0 * ONES, training=True))
    assert added.mean() == pytest.approx(0, abs=4 * 0.5 / np.sqrt(ONES.size))
    assert added.std() == pytest.approx(0.5, rel=0.02)
    factors = np.array(product(ONES, training=True))
    assert (factors.mean(), factors.std()) == (pytest.approx(1, abs=0.02), pytest.approx(0.5, rel=0.02))
    with pytest.raises(BadInput, match=r"is a AlphaDropout: of random layers, only Dropout, SpatialDropout, "):
        drive(keras, [layers.AlphaDropout(0.5)])


def test_networks_without_random_layers_have_no_seed(keras):
    assert build_networks(Mlp(), keras).seed is None
    assert build_networks(Dcgan(filters=4, dropout=0.25), keras).seed is not None


class Dropping(Mlp):
    """An own architecture with Keras' own Dropout in both networks."""

    def generate(self, keras, latent, example_shape, random):
        return super().generate(keras, keras.layers.Dropout(0.1)(latent), example_shape, random)

    def judge(self, keras, examples, random):
        return super().judge(keras, keras.layers.Dropout(0.3)(examples), random)


@pytest.fixture(scope="module")
def ends(parse):
    """Return the networks' weights after four steps, by Keras and mechanism; single steps pass the audit."""
    from ganfreeze.app.training_setup import build
    from ganfreeze.strategy.base import Execution

    ends = {}
    ways = [(strategy, Execution()) for strategy in ("tape", "toggle", "tfgan")]
    ways += [("tape", Execution(jit=True, fused_steps=4)), ("train_step", Execution(fused_steps=2))]
    for keras in words("keras"):
        for strategy, execution in ways:
            variant = parse(f"keras={keras}", f"strategy={strategy}", "batch_size=8", "precision=float64")
            variant = variant._replace(architecture=Dropping(generator_units=(16,), discriminator_units=(16,)))
            game, mechanism, streams = build(variant, variant.source.load(), execution)
            if execution == Execution():
                assert not audit.audit(mechanism, game, streams).violations, (keras, strategy)
            mechanism.advance(streams, 0, 4)
            weights = [*values(game.networks.generator), *values(game.networks.discriminator)]
            ends[keras, strategy, execution] = weights
    return ends


def test_every_mechanism_is_one_algorithm(ends):
    reference = next(iter(ends.values()))
    for place, weights in ends.items():
        largest = max(float(np.abs(a - b).max()) for a, b in zip(weights, reference, strict=True))
        assert largest < 1e-7, place  # Keras 2 keeps the momentum of BatchNormalization in single precision


def test_a_mask_of_its_own_is_drawn_in_each_step_and_phase(parse):
    from ganfreeze.app.training_setup import build

    variant = parse("strategy=tape", "batch_size=8")._replace(architecture=Dropping())
    game, mechanism, streams = build(variant, variant.source.load())
    seeds = []
    for step in range(3):
        for phase in ("discriminator", "generator"):
            mechanism.phases[phase].run(streams.batch(step), streams.noise(step, phase))
            seeds.append(tuple(game.networks.seed.numpy()))
    assert len(set(seeds)) == 6


def test_reused_fakes_are_made_again_if_the_generator_draws_numbers(parse):
    from ganfreeze.app.training_setup import build
    from ganfreeze.strategy.engine.tapes import TapedPhases

    variant = parse("strategy=tape", "update.noise=reused", "batch_size=8")
    for architecture, reuses in ((Mlp(), True), (Dropping(), False)):
        own = variant._replace(architecture=architecture)
        assert TapedPhases(build(own, own.source.load()).game).reuses_fakes is reuses
