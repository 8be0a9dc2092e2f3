"""Our layers against those of Keras: their results, and their derivatives of first and second order."""

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
    """Return the layer's output, the gradients of a loss, and those of a penalty on gradients such as R1."""
    with tf.GradientTape() as outer:
        outer.watch(examples)
        with tf.GradientTape(persistent=True) as inner:
            inner.watch(examples)
            output = layer(examples)
            loss = tf.reduce_sum(output**3)
        penalty = tf.reduce_sum(inner.gradient(loss, examples) ** 2)
        gradients = inner.gradient(loss, [examples, *layer.trainable_variables])
    return [output, *gradients, *outer.gradient(penalty, [examples, *layer.trainable_variables])]


def assert_same(keras, make_ours, make_theirs, shape):
    """Assert that two layers with the same kernel agree in double precision, where 1e-13 is rounding."""
    examples = tf.constant(RANDOM.normal(size=shape))
    all_ours, all_theirs = (
        derivatives(make(normal(keras, np.random.default_rng(1), 0.5)), examples) for make in (make_ours, make_theirs)
    )
    assert len(all_ours) == 1 + 3 + 3, "an output, and two gradients each for the input, the kernel and the bias"
    for ours, theirs in zip(all_ours, all_theirs, strict=True):
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


def test_dense_is_that_of_keras(keras):
    """The last bits may differ, because the terms of a product may be summed in another order."""
    options = {"activation": "tanh", "dtype": "float64"}
    assert_same(
        keras,
        lambda kernel: dense(keras, 6, kernel_initializer=kernel, **options),
        lambda kernel: keras.layers.Dense(6, kernel_initializer=kernel, **options),
        (8, 5),
    )


def test_xla_transposes_no_kernel():
    """In the code that XLA has optimized, neither transpose of the gradient is one of the kernel."""
    upstream, kernel = tf.zeros((32, 1024)), tf.zeros((512, 1024))
    compiled = tf.function(back, autograph=False, jit_compile=True)
    hlo = compiled.experimental_get_compiler_ir(upstream, kernel)(stage="optimized_hlo")
    (product,) = [line for line in hlo.splitlines() if " dot(" in line]
    assert "f32[512,32]" in product.partition(" dot(")[0], "f32[32,512] would be a product with the transposed kernel"


def test_an_infinite_product_in_half_precision_stays_infinite():
    """The optimizer finds the scale of the loss by it."""
    upstream, kernel = tf.constant([[-60000.0, -60000.0]], tf.float16), tf.ones((1, 2), tf.float16)
    np.testing.assert_array_equal(back(upstream, kernel), [[-np.inf]])


def test_the_gradient_of_a_kernel_by_products_is_that_of_the_library():
    """They replace the library's operation in half precision, and are compared with it in double."""
    images, upstream = (tf.constant(RANDOM.normal(size=shape)) for shape in ((3, 8, 12, 5), (3, 4, 6, 7)))
    kernel = tf.zeros((4, 4, 5, 7), tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(kernel)
        loss = tf.reduce_sum(upstream * tf.nn.conv2d(images, kernel, 2, "SAME"))
    ours, theirs = convolutions._of_kernel_by_products(images, upstream), tape.gradient(loss, kernel)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-13 * np.abs(theirs).max())


@pytest.mark.parametrize("function", ["halve", "double"])
def test_half_precision_is_single_precision_rounded(keras, function):
    """bfloat16 has eight bits: the error of each number in a sum is at most 1/256 of it."""
    examples = tf.constant(RANDOM.normal(size=(2, 8, 8, 16)), tf.float32)
    gradients = []
    for precision in ("float32", "mixed_bfloat16"):
        options = {"kernel_initializer": normal(keras, np.random.default_rng(1), 0.5), "use_bias": False}
        layer = getattr(convolutions, function)(keras, 16, **options, dtype=precision)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.cast(layer(examples), tf.float32))
        (gradient,) = tape.gradient(loss, layer.trainable_variables)
        assert gradient.dtype == tf.float32
        gradients.append(gradient)
    assert 0 < np.abs(gradients[0] - gradients[1]).max() < np.abs(gradients[0]).max() / 64


@pytest.mark.parametrize("slope", [0.2, 0.01])
def test_leaky_relu_is_that_of_keras(keras, slope):
    """Its second derivative, which is 0 except at 0, is compared too."""
    examples = tf.constant(RANDOM.normal(size=(40, 3)))
    names = {"keras": "negative_slope", "tf_keras": "alpha"}
    keras.backend.set_floatx("float64")
    layers = leaky_relu(keras, slope), keras.layers.LeakyReLU(**{names[keras.__name__]: slope})
    for ours, theirs in zip(*(derivatives(layer, examples) for layer in layers), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_on_a_gpu_the_layers_are_those_of_keras(keras, monkeypatch):
    monkeypatch.setattr(convolutions.machine, "gpus", lambda: ["GPU:0"])
    assert type(convolutions.halve(keras, 4)) is keras.layers.Conv2D
    assert type(convolutions.double(keras, 4)) is keras.layers.Conv2DTranspose
    assert type(dense(keras, 4)) is keras.layers.Dense
    assert type(leaky_relu(keras, 0.2)) is keras.layers.LeakyReLU


def test_the_layers_have_the_names_of_keras(keras):
    """The audit and the certificates name variables by them."""
    layers = convolutions.halve(keras, 4), convolutions.double(keras, 1), dense(keras, 4), leaky_relu(keras, 0.2)
    assert [type(layer).__name__ for layer in layers] == ["Conv2D", "Conv2DTranspose", "Dense", "LeakyReLU"]
