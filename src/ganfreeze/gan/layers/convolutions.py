"""Convolutions that halve an image and double one, where a processor's libraries leave something to be had.

Kernels are 4x4 and move by 2. Two of the things that such layers compute are made of matrix products here, and are the
same but for rounding (`python benchmarks/layers.py` times them beside the libraries'):

- Images of few channels from many: the generator's last layer, and the gradient that the discriminator's first one
  hands on. oneDNN works on sixteen channels at a time, so of one or three most of its work is wasted.
- The gradient of a kernel in half precision, which oneDNN computes no faster than in single.

On a GPU, whose libraries were not measured, the layers are those of Keras.
"""

from collections.abc import Callable
from itertools import product
from typing import Any

from ganfreeze.backend import machine
from ganfreeze.backend import tensorflow as tf
from ganfreeze.types import Tensor

_STRIDE = 2
_KERNEL = 2 * _STRIDE
_AT_ONCE = 16  # channels
_BLOCKS = tuple(product((0, 1), repeat=2))  # of a kernel: four, of 2x2 pixels each, by how far they are down and right

Gradients = Callable[[Tensor], tuple[Tensor, Tensor]]


def halve(keras: Any, filters: int, **options: Any) -> Any:
    """`Conv2D(filters, 4, 2, "same")` of either Keras: images (batch, 2 h, 2 w, c) to (batch, h, w, filters)."""

    class Conv2D(keras.layers.Conv2D):
        def convolution_op(self, inputs: Tensor, kernel: Tensor) -> Tensor:
            return _halved(tf.convert_to_tensor(inputs), tf.convert_to_tensor(kernel))

    layer = keras.layers.Conv2D if machine.gpus() else Conv2D
    return layer(filters, _KERNEL, _STRIDE, "same", **options)


def double(keras: Any, channels: int, **options: Any) -> Any:
    """`Conv2DTranspose(channels, 4, 2, "same")` of either Keras: (batch, h, w, f) to images (batch, 2 h, 2 w, c)."""

    class Conv2DTranspose(keras.layers.Conv2DTranspose):
        def call(self, inputs: Tensor) -> Tensor:
            images = _doubled(tf.convert_to_tensor(inputs), tf.convert_to_tensor(self.kernel))
            return self.activation(images + tf.convert_to_tensor(self.bias) if self.use_bias else images)

    layer = keras.layers.Conv2DTranspose if machine.gpus() else Conv2DTranspose
    return layer(channels, _KERNEL, _STRIDE, "same", **options)


def _halved(images: Tensor, kernel: Tensor) -> Tensor:
    """(b, 2 h, 2 w, c) and (4, 4, c, f) to (b, h, w, f)."""

    def convolve(images: Tensor, kernel: Tensor) -> tuple[Tensor, Gradients]:
        def gradients(upstream: Tensor) -> tuple[Tensor, Tensor]:
            return _doubled(upstream, kernel), _of_kernel(images, upstream)

        return tf.nn.conv2d(images, kernel, _STRIDE, "SAME"), gradients

    return tf.custom_gradient(convolve)(images, kernel)


def _doubled(examples: Tensor, kernel: Tensor) -> Tensor:
    """(b, h, w, f) and (4, 4, c, f) to (b, 2 h, 2 w, c)."""
    if kernel.shape[2] < _AT_ONCE:
        return _doubled_by_product(examples, kernel)

    def convolve(examples: Tensor, kernel: Tensor) -> tuple[Tensor, Gradients]:
        def gradients(upstream: Tensor) -> tuple[Tensor, Tensor]:
            return _halved(upstream, kernel), _of_kernel(upstream, examples)

        batch, (height, width) = tf.shape(examples)[0], examples.shape[1:3]
        shape = (batch, _STRIDE * height, _STRIDE * width, kernel.shape[2])
        return tf.nn.conv2d_transpose(examples, kernel, shape, _STRIDE, "SAME"), gradients

    return tf.custom_gradient(convolve)(examples, kernel)


def _of_kernel(images: Tensor, upstream: Tensor) -> Tensor:
    """The kernel's gradient, (4, 4, c, f): each example (b, h, w, f) of `upstream` by the 4x4 pixels of the images
    (b, 2 h, 2 w, c) that it came from."""
    channels, filters = images.shape[3], upstream.shape[3]
    if images.dtype.size == 2 and channels >= _AT_ONCE:
        return _of_kernel_by_products(images, upstream)
    return tf.raw_ops.Conv2DBackpropFilter(
        input=images,
        filter_sizes=(_KERNEL, _KERNEL, channels, filters),
        out_backprop=upstream,
        strides=(1, _STRIDE, _STRIDE, 1),
        padding="SAME",
    )


def _doubled_by_product(examples: Tensor, kernel: Tensor) -> Tensor:
    """One product says for every place what it adds to the 4x4 pixels around it, and sums of those are the image.

    A kernel covers four blocks of pixels, each of which is one pixel of 4 c channels until the end. The outermost row
    of pixels at each side lies outside the image.
    """
    _, height, width, filters = examples.shape
    channels = kernel.shape[2]
    blocks = tf.transpose(tf.reshape(kernel, (2, 2, 2, 2, channels, filters)), (0, 2, 1, 3, 4, 5))
    added = tf.matmul(tf.reshape(examples, (-1, filters)), tf.reshape(blocks, (-1, filters)), transpose_b=True)
    each = tf.split(tf.reshape(added, (-1, height, width, 16 * channels)), len(_BLOCKS), axis=-1)
    placed = [
        tf.pad(block, ((0, 0), (down, 1 - down), (right, 1 - right), (0, 0)))
        for block, (down, right) in zip(each, _BLOCKS, strict=True)
    ]
    return tf.nn.depth_to_space(tf.add_n(placed), _STRIDE)[:, 1:-1, 1:-1]


def _of_kernel_by_products(images: Tensor, upstream: Tensor) -> Tensor:
    """A product for each of the kernel's four blocks, with the blocks of pixels that it lay on."""
    _, height, width, filters = upstream.shape
    channels = images.shape[3]
    pixels = tf.nn.space_to_depth(tf.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0))), _STRIDE)
    rows = tf.reshape(upstream, (-1, filters))
    products = [
        tf.matmul(
            tf.reshape(pixels[:, down : down + height, right : right + width], (-1, 4 * channels)),
            rows,
            transpose_a=True,
        )
        for down, right in _BLOCKS
    ]
    blocks = tf.reshape(tf.stack(products), (2, 2, 2, 2, channels, filters))
    return tf.reshape(tf.transpose(blocks, (0, 2, 1, 3, 4, 5)), (_KERNEL, _KERNEL, channels, filters))
