"""Stacked MNIST: three digits of MNIST in the channels of one image, a data set of 1,000 modes."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from ganfreeze.data.dataset.base import Dataset, Source, Split
from ganfreeze.data.dataset.mnist import Mnist
from ganfreeze.types import Address, Folder


@dataclass(frozen=True, kw_only=True)
class StackedMnist(Source):
    """Images of 28x28 RGB whose three channels are digits of MNIST, so that there are 1,000 modes.

    All `examples` train; a tenth as many more are held out. The digits are drawn at random, with a fixed seed, from the
    same split of MNIST. The label is the number that the three digits form, 0 to 999, with the red digit first.

    Source: Metz et al. 2017 (unrolled GANs), section 3.3.1; 128,000 as in Lin et al. 2018 (PacGAN), section 4.2.
    """

    data: Folder
    cache: Folder
    mirror: Address
    examples: Annotated[int, Field(ge=1000)] = 128000

    def load(self) -> Dataset:
        mnist = Mnist(data=self.data, cache=self.cache, mirror=self.mirror).load()
        train, test = _stacked(mnist.train, self.examples, 0), _stacked(mnist.test, self.examples // 10, 1)
        return Dataset.of("stacked_mnist", train, test, source=mnist.source, channels=mnist)


def _stacked(digits: Split, count: int, part: int) -> Split:
    assert digits.labels is not None, "MNIST has labels"
    indices = np.random.default_rng(part).integers(len(digits.examples), size=(count, 3))
    images = np.empty((count, *digits.examples.shape[1:3], 3), np.uint8)
    for channel in range(3):
        images[..., channel] = digits.examples[indices[:, channel], ..., 0]
    return Split(images, digits.labels[indices] @ np.array([100, 10, 1]))
