"""Packing: discriminators that judge several examples at once."""

import numpy as np
import pytest
from conftest import LOADS

from ganfreeze.backend.keras import keras2
from ganfreeze.errors import BadInput
from ganfreeze.gan.architecture.dcgan import Dcgan
from ganfreeze.gan.architecture.maxout import Maxout
from ganfreeze.gan.architecture.mlp import Mlp


@pytest.mark.parametrize("keras", LOADS)
@pytest.mark.parametrize(
    ("architecture", "shape"), [(Mlp(), (8, 8, 1)), (Dcgan(filters=4), (8, 8, 3)), (Maxout(), (2,))]
)
def test_a_packed_discriminator_judges_examples_side_by_side(keras, architecture, shape):
    """The logit of a pack of two is that of a discriminator with twice the channels for both examples joined."""
    arguments = {"keras": LOADS[keras](), "random": np.random.default_rng(0)}
    packed = architecture.build(example_shape=shape, packing=2, **arguments)
    wide = architecture.build(example_shape=(*shape[:-1], 2 * shape[-1]), **arguments).discriminator
    for target, source in zip(wide.weights, packed.discriminator.weights, strict=True):
        target.assign(source)
    assert packed.generator.output_shape[1:] == shape
    x = np.random.default_rng(1).normal(size=(6, *shape)).astype(np.float32)
    side_by_side = np.concatenate([x[0::2], x[1::2]], axis=-1)
    logits = packed.discriminator(x)
    assert logits.shape == (3, 1)
    np.testing.assert_allclose(logits, wide(side_by_side), rtol=1e-5, atol=1e-7)


def test_without_packing_the_discriminator_has_no_further_layer():
    networks = Mlp().build(keras=keras2.load(), example_shape=(8, 8, 1), random=np.random.default_rng(0))
    layers = [type(layer).__name__ for layer in networks.discriminator.layers]
    assert layers == ["InputLayer", "Flatten", "Dense", "LeakyReLU", "Dense", "LeakyReLU", "Dense"]


@pytest.mark.parametrize("regularizer", ["r1", "gradient_penalty", "consensus"])
def test_penalties_of_packs_are_finite(variant, regularizer):
    _, strategy, streams = variant("packing=2", f"regularizer={regularizer}", "architecture=dcgan")
    assert np.isfinite(list(strategy.advance(streams, 0, 2).values())).all()


def test_penalties_use_the_gradient_of_the_whole_pack():
    """D(x1, x2) = a.x1 + b.x2 has the gradient (a, b) everywhere; its square is |a|^2 + |b|^2."""
    from ganfreeze.backend import tensorflow as tf
    from ganfreeze.gan.networks import Networks
    from ganfreeze.gan.regularizer.base import PhaseContext
    from ganfreeze.gan.regularizer.gradient_penalty import GradientPenalty
    from ganfreeze.gan.regularizer.r1 import R1

    a, b = np.array([[1.0], [2.0]], np.float32), np.array([[3.0], [0.5]], np.float32)

    def discriminator(x, training):
        return tf.matmul(x[0::2], a) + tf.matmul(x[1::2], b)

    x = np.random.default_rng(0).normal(size=(2, 8, 2)).astype(np.float32)
    context = PhaseContext(
        Networks(None, discriminator, 2, packing=2), None, tf.constant(x[0]), tf.constant(x[1]), tf.constant(x[1])
    )
    squared = float((a**2).sum() + (b**2).sum())
    assert float(R1(weight=2.0).penalty("discriminator", context)) == pytest.approx(squared)
    penalty = float(GradientPenalty(weight=1.0).penalty("discriminator", context))
    assert penalty == pytest.approx((np.sqrt(squared) - 1) ** 2)


def test_the_batch_size_must_be_a_multiple_of_the_packing(parse):
    with pytest.raises(BadInput, match="packing=3: batch_size=32 must be a multiple of it"):
        parse("packing=3")
    parse("packing=3", "batch_size=33")
    with pytest.raises(BadInput, match="packing=0: must be greater than or equal to 1"):
        parse("packing=0")
