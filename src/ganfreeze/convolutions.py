"""The convolutions next to an image, whose one or three channels a processor's libraries are slow with.

Kernels are 4x4 and move by 2. oneDNN works on sixteen channels at a time: on the way from many channels to one or three
most of its work is wasted, and that is the way of the generator's last layer and of the gradient that the
discriminator's first one hands on (`python benchmarks/layers.py`). Here it is one matrix product, which says for every
place what it adds to the 4x4 pixels around it, and sums of those. The result is the same but for rounding.
"""

from collections.abc import Callable
from itertools import product
from typing import Any

from ganfreeze import tensorflow as tf
from ganfreeze.types import Tensor

_STRIDE = 2
_KERNEL = 2 * _STRIDE


def halve(keras: Any, filters: int, **options: Any) -> Any:
    """`Conv2D(filters, 4, 2, "same")` of either Keras: images (batch, 2 h, 2 w, c) to (batch, h, w, filters)."""

    class Conv2D(keras.layers.Conv2D):
        def convolution_op(self, inputs: Tensor, kernel: Tensor) -> Tensor:
            return _halved(tf.convert_to_tensor(inputs), tf.convert_to_tensor(kernel))

    return Conv2D(filters, _KERNEL, _STRIDE, "same", **options)


def double(keras: Any, channels: int, **options: Any) -> Any:
    """`Conv2DTranspose(channels, 4, 2, "same")` of either Keras: (batch, h, w, f) to images (batch, 2 h, 2 w, c)."""

    class Conv2DTranspose(keras.layers.Conv2DTranspose):
        def call(self, inputs: Tensor) -> Tensor:
            images = _doubled(tf.convert_to_tensor(inputs), tf.convert_to_tensor(self.kernel))
            return self.activation(images + tf.convert_to_tensor(self.bias))

    return Conv2DTranspose(channels, _KERNEL, _STRIDE, "same", **options)


def _halved(images: Tensor, kernel: Tensor) -> Tensor:
    """(b, 2 h, 2 w, c) and (4, 4, c, f) to (b, h, w, f), as the library has it but for the gradient of the images."""

    def convolve(images: Tensor, kernel: Tensor) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor, Tensor]]]:
        def gradients(upstream: Tensor) -> tuple[Tensor, Tensor]:
            of_kernel = tf.raw_ops.Conv2DBackpropFilter(
                input=images,
                filter_sizes=tf.shape(kernel),
                out_backprop=upstream,
                strides=(1, _STRIDE, _STRIDE, 1),
                padding="SAME",
            )
            return _doubled(upstream, kernel), of_kernel

        return tf.nn.conv2d(images, kernel, _STRIDE, "SAME"), gradients

    return tf.custom_gradient(convolve)(images, kernel)


def _doubled(examples: Tensor, kernel: Tensor) -> Tensor:
    """(b, h, w, f) and (4, 4, c, f) to (b, 2 h, 2 w, c).

    A kernel of 4 that moves by 2 covers four blocks of 2x2 pixels, each of which is one pixel of 4 c channels until
    the end. The outermost row of pixels at each side lies outside the image.
    """
    _, height, width, filters = examples.shape
    channels = kernel.shape[2]
    blocks = tf.transpose(tf.reshape(kernel, (2, 2, 2, 2, channels, filters)), (0, 2, 1, 3, 4, 5))
    added = tf.matmul(tf.reshape(examples, (-1, filters)), tf.reshape(blocks, (-1, filters)), transpose_b=True)
    each = tf.split(tf.reshape(added, (-1, height, width, 16 * channels)), 4, axis=-1)
    placed = [
        tf.pad(block, ((0, 0), (down, 1 - down), (right, 1 - right), (0, 0)))
        for block, (down, right) in zip(each, product((0, 1), repeat=2), strict=True)
    ]
    return tf.nn.depth_to_space(tf.add_n(placed), _STRIDE)[:, 1:-1, 1:-1]
