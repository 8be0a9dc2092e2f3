"""MNIST three deep: a data set of a thousand modes."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from ganfreeze.data.dataset.base import Dataset
from ganfreeze.data.dataset.base import Source
from ganfreeze.data.dataset.base import Split
from ganfreeze.data.dataset.mnist import Mnist


@dataclass(frozen=True, kw_only=True)
class StackedMnist(Source):
    """`examples` images 28x28 RGB to train on and a tenth of that to hold out, each channel a digit of MNIST's same
    split drawn at random, by a fixed seed. The label is the number that the digits write, 0 to 999, red first.

    Source: Metz et al. 2017 (unrolled GANs), section 3.3.1; 128,000 as in Lin et al. 2018 (PacGAN), section 4.2.
    """

    data: str
    cache: str
    mirror: str
    examples: Annotated[int, Field(ge=1000)] = 128000

    def load(self) -> Dataset:
        mnist = Mnist(data=self.data, cache=self.cache, mirror=self.mirror).load()
        train, test = _stacked(mnist.train, self.examples, 0), _stacked(mnist.test, self.examples // 10, 1)
        return Dataset.of("stacked_mnist", train, test, source=mnist.source, channels=mnist)


def _stacked(digits: Split, count: int, part: int) -> Split:
    assert digits.labels is not None, "MNIST has labels"
    drawn = np.random.default_rng(part).integers(len(digits.images), size=(count, 3))
    images = np.empty((count, *digits.images.shape[1:3], 3), np.uint8)
    for channel in range(3):
        images[..., channel] = digits.images[drawn[:, channel], ..., 0]
    return Split(images, digits.labels[drawn] @ np.array([100, 10, 1]))
