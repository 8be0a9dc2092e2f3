"""Our convolutions and activations are those of Keras, with their derivatives, of the second order too."""

import numpy as np
import pytest
from conftest import LOADS

from ganfreeze.backend import tensorflow as tf
from ganfreeze.gan.initializers import normal
from ganfreeze.gan.layers import convolutions
from ganfreeze.gan.layers.dense import back, dense
from ganfreeze.gan.layers.leaky_relu import leaky_relu

RANDOM = np.random.default_rng(0)


def derivatives(layer, examples):
    """What the layer makes of examples, and the gradients of a loss and of a penalty on gradients, as R1 is one."""
    with tf.GradientTape() as outer:
        outer.watch(examples)
        with tf.GradientTape(persistent=True) as inner:
            inner.watch(examples)
            made = layer(examples)
            loss = tf.reduce_sum(made**3)
        penalty = tf.reduce_sum(inner.gradient(loss, examples) ** 2)
        gradients = inner.gradient(loss, [examples, *layer.trainable_variables])
    return [made, *gradients, *outer.gradient(penalty, [examples, *layer.trainable_variables])]


def assert_same(keras, one, other, shape):
    """From the same kernel, in double precision, where 1e-13 is rounding."""
    examples = tf.constant(RANDOM.normal(size=shape))
    one, other = (derivatives(make(normal(keras, np.random.default_rng(1), 0.5)), examples) for make in (one, other))
    assert len(one) == 1 + 3 + 3, "a kernel and a bias have a gradient each"
    for ours, theirs in zip(one, other, strict=True):
        assert np.abs(theirs).max() > 1e-3
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-13 * np.abs(theirs).max())


@pytest.fixture(params=LOADS)
def keras(request):
    keras = LOADS[request.param]()
    yield keras
    keras.backend.set_floatx("float32")


@pytest.mark.parametrize("channels", [1, 3, 16])
def test_halving_is_conv2d(keras, channels):
    assert_same(
        keras,
        lambda kernel: convolutions.halve(keras, 6, kernel_initializer=kernel, dtype="float64"),
        lambda kernel: keras.layers.Conv2D(6, 4, 2, "same", kernel_initializer=kernel, dtype="float64"),
        (2, 8, 12, channels),
    )


@pytest.mark.parametrize("channels", [1, 3, 16])
def test_doubling_is_conv2d_transpose(keras, channels):
    options = {"activation": "tanh", "dtype": "float64"}
    assert_same(
        keras,
        lambda kernel: convolutions.double(keras, channels, kernel_initializer=kernel, **options),
        lambda kernel: keras.layers.Conv2DTranspose(channels, 4, 2, "same", kernel_initializer=kernel, **options),
        (2, 4, 6, 5),
    )


def test_dense_is_keras(keras):
    """To the last bit or two: a product's rows and columns may be summed in another order."""
    options = {"activation": "tanh", "dtype": "float64"}
    assert_same(
        keras,
        lambda kernel: dense(keras, 6, kernel_initializer=kernel, **options),
        lambda kernel: keras.layers.Dense(6, kernel_initializer=kernel, **options),
        (8, 5),
    )


def test_xla_transposes_no_kernel():
    """Of the gradient's two transpositions the kernel is in neither, in what XLA makes of them in the end."""
    upstream, kernel = tf.zeros((32, 1024)), tf.zeros((512, 1024))
    compiled = tf.function(back, autograph=False, jit_compile=True)
    hlo = compiled.experimental_get_compiler_ir(upstream, kernel)(stage="optimized_hlo")
    (product,) = [line for line in hlo.splitlines() if " dot(" in line]
    assert "f32[512,32]" in product.partition(" dot(")[0], "f32[32,512] would be the product with the transposed kernel"


def test_a_product_out_of_half_precisions_range_stays_infinite():
    """The scale of a loss is found by it."""
    upstream, kernel = tf.constant([[-60000.0, -60000.0]], tf.float16), tf.ones((1, 2), tf.float16)
    np.testing.assert_array_equal(back(upstream, kernel), [[-np.inf]])


def test_a_kernels_gradient_is_the_same_by_products():
    """They take the library's place in half precision, and are held to it in double."""
    images, upstream = (tf.constant(RANDOM.normal(size=shape)) for shape in ((3, 8, 12, 5), (3, 4, 6, 7)))
    kernel = tf.zeros((4, 4, 5, 7), tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(kernel)
        made = tf.reduce_sum(upstream * tf.nn.conv2d(images, kernel, 2, "SAME"))
    ours, theirs = convolutions._of_kernel_by_products(images, upstream), tape.gradient(made, kernel)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-13 * np.abs(theirs).max())


@pytest.mark.parametrize("layer", ["halve", "double"])
def test_half_precision_is_single_precision_rounded(keras, layer):
    """bfloat16 has eight bits: each of the numbers summed is off by a 256th at the most."""
    examples = tf.constant(RANDOM.normal(size=(2, 8, 8, 16)), tf.float32)
    ends = []
    for precision in ("float32", "mixed_bfloat16"):
        options = {"kernel_initializer": normal(keras, np.random.default_rng(1), 0.5), "use_bias": False}
        made = getattr(convolutions, layer)(keras, 16, **options, dtype=precision)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.cast(made(examples), tf.float32))
        (gradient,) = tape.gradient(loss, made.trainable_variables)
        assert gradient.dtype == tf.float32
        ends.append(gradient)
    assert 0 < np.abs(ends[0] - ends[1]).max() < np.abs(ends[0]).max() / 64


@pytest.mark.parametrize("slope", [0.2, 0.01])
def test_leaky_relu_is_keras(keras, slope):
    """With a gradient of its gradient, which is 0 but at 0."""
    examples = tf.constant(RANDOM.normal(size=(40, 3)))
    names = {"keras": "negative_slope", "tf_keras": "alpha"}
    keras.backend.set_floatx("float64")
    layers = leaky_relu(keras, slope), keras.layers.LeakyReLU(**{names[keras.__name__]: slope})
    for ours, theirs in zip(*(derivatives(layer, examples) for layer in layers), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_on_a_gpu_they_are_keras(keras, monkeypatch):
    monkeypatch.setattr(convolutions.machine, "gpus", lambda: ["GPU:0"])
    assert type(convolutions.halve(keras, 4)) is keras.layers.Conv2D
    assert type(convolutions.double(keras, 4)) is keras.layers.Conv2DTranspose
    assert type(dense(keras, 4)) is keras.layers.Dense
    assert type(leaky_relu(keras, 0.2)) is keras.layers.LeakyReLU


def test_they_go_by_keras_names(keras):
    """Which the audit and the certificates call variables by."""
    layers = convolutions.halve(keras, 4), convolutions.double(keras, 1), dense(keras, 4), leaky_relu(keras, 0.2)
    assert [type(layer).__name__ for layer in layers] == ["Conv2D", "Conv2DTranspose", "Dense", "LeakyReLU"]
