"""Convolutions that halve or double an image, with faster operations for a processor.

Kernels are 4x4, the stride is 2. Two operations of such layers are computed by matrix products here. The results are
the same up to rounding. `python benchmarks/layers.py` times them beside the library's operations.

- Images of few channels from examples of many: the output of the generator's last layer, and the gradient of the input
  of the discriminator's first layer. oneDNN computes sixteen channels at a time, so with one or three channels most of
  its work is wasted.
- The gradient of a kernel in half precision. oneDNN computes it no faster than in single precision.

On a GPU the layers are Keras' own, because GPU libraries were not measured.
"""

from collections.abc import Callable
from itertools import product
from typing import Any

from ganfreeze.backend import machine
from ganfreeze.backend import tensorflow as tf
from ganfreeze.types import Tensor

_STRIDE = 2
_KERNEL = 2 * _STRIDE
_CHANNELS_AT_ONCE = 16  # in oneDNN
_BLOCKS = tuple(product((0, 1), repeat=2))  # the (row, column) of the four 2x2 blocks of a kernel

Gradients = Callable[[Tensor], tuple[Tensor, Tensor]]


def halve(keras: Any, filters: int, **options: Any) -> Any:
    """Return a layer `Conv2D(filters, 4, 2, "same")` of either Keras.

    It maps images (batch, 2 h, 2 w, c) to (batch, h, w, filters).
    """

    class Conv2D(keras.layers.Conv2D):
        def convolution_op(self, inputs: Tensor, kernel: Tensor) -> Tensor:
            return _halved(tf.convert_to_tensor(inputs), tf.convert_to_tensor(kernel))

    layer = keras.layers.Conv2D if machine.gpus() else Conv2D
    return layer(filters, _KERNEL, _STRIDE, "same", **options)


def double(keras: Any, channels: int, **options: Any) -> Any:
    """Return a layer `Conv2DTranspose(channels, 4, 2, "same")` of either Keras.

    It maps (batch, h, w, f) to images (batch, 2 h, 2 w, channels).
    """

    class Conv2DTranspose(keras.layers.Conv2DTranspose):
        def call(self, inputs: Tensor) -> Tensor:
            images = _doubled(tf.convert_to_tensor(inputs), tf.convert_to_tensor(self.kernel))
            return self.activation(images + tf.convert_to_tensor(self.bias) if self.use_bias else images)

    layer = keras.layers.Conv2DTranspose if machine.gpus() else Conv2DTranspose
    return layer(channels, _KERNEL, _STRIDE, "same", **options)


def _halved(images: Tensor, kernel: Tensor) -> Tensor:
    """Return the convolution: (b, 2 h, 2 w, c) and (4, 4, c, f) to (b, h, w, f)."""

    def convolve(images: Tensor, kernel: Tensor) -> tuple[Tensor, Gradients]:
        def gradients(upstream: Tensor) -> tuple[Tensor, Tensor]:
            return _doubled(upstream, kernel), _of_kernel(images, upstream)

        return tf.nn.conv2d(images, kernel, _STRIDE, "SAME"), gradients

    return tf.custom_gradient(convolve)(images, kernel)


def _doubled(examples: Tensor, kernel: Tensor) -> Tensor:
    """Return the transposed convolution: (b, h, w, f) and (4, 4, c, f) to (b, 2 h, 2 w, c)."""
    if kernel.shape[2] < _CHANNELS_AT_ONCE:
        return _doubled_by_product(examples, kernel)

    def convolve(examples: Tensor, kernel: Tensor) -> tuple[Tensor, Gradients]:
        def gradients(upstream: Tensor) -> tuple[Tensor, Tensor]:
            return _halved(upstream, kernel), _of_kernel(upstream, examples)

        batch, (height, width) = tf.shape(examples)[0], examples.shape[1:3]
        shape = (batch, _STRIDE * height, _STRIDE * width, kernel.shape[2])
        return tf.nn.conv2d_transpose(examples, kernel, shape, _STRIDE, "SAME"), gradients

    return tf.custom_gradient(convolve)(examples, kernel)


def _of_kernel(images: Tensor, upstream: Tensor) -> Tensor:
    """Return the gradient of the kernel, (4, 4, c, f), from images (b, 2 h, 2 w, c) and `upstream`, (b, h, w, f).

    It sums, over all places of `upstream`, the 4x4 pixels below the kernel at this place, times `upstream` there.
    """
    channels, filters = images.shape[3], upstream.shape[3]
    if images.dtype.size == 2 and channels >= _CHANNELS_AT_ONCE:
        return _of_kernel_by_products(images, upstream)
    return tf.raw_ops.Conv2DBackpropFilter(
        input=images,
        filter_sizes=(_KERNEL, _KERNEL, channels, filters),
        out_backprop=upstream,
        strides=(1, _STRIDE, _STRIDE, 1),
        padding="SAME",
    )


def _doubled_by_product(examples: Tensor, kernel: Tensor) -> Tensor:
    """Return what `_doubled` returns, computed by one matrix product.

    The product gives the 4x4 pixels that every place of `examples` adds to the image. These overlap; their sum is the
    image. The 4x4 pixels are four blocks of 2x2. Until the end each block is one pixel of 4 c channels. The outermost
    row of pixels at each side lies outside the image and is cut off.
    """
    _, height, width, filters = examples.shape
    channels = kernel.shape[2]
    blocks = tf.transpose(tf.reshape(kernel, (2, 2, 2, 2, channels, filters)), (0, 2, 1, 3, 4, 5))
    added = tf.matmul(tf.reshape(examples, (-1, filters)), tf.reshape(blocks, (-1, filters)), transpose_b=True)
    added_blocks = tf.split(tf.reshape(added, (-1, height, width, 16 * channels)), len(_BLOCKS), axis=-1)
    placed = [
        tf.pad(block, ((0, 0), (down, 1 - down), (right, 1 - right), (0, 0)))
        for block, (down, right) in zip(added_blocks, _BLOCKS, strict=True)
    ]
    return tf.nn.depth_to_space(tf.add_n(placed), _STRIDE)[:, 1:-1, 1:-1]


def _of_kernel_by_products(images: Tensor, upstream: Tensor) -> Tensor:
    """Return what `_of_kernel` returns, computed by one matrix product for each of the kernel's four 2x2 blocks.

    Each product multiplies the pixels below one block of the kernel by `upstream`.
    """
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
