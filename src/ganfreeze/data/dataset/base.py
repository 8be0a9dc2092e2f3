"""Images or points, their labels and where they come from."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ganfreeze.errors import BadInput

Images = NDArray[np.uint8]  # (batch, height, width, channels), 0 to 255
Examples = NDArray[Any]  # images, or points: (batch, dimensions), float32


class Split(NamedTuple):
    """Images (n, height, width, channels), uint8, or points (n, dimensions), float32, with their class labels, (n,)
    int64, or None."""

    images: Examples
    labels: NDArray[np.int64] | None


class Mixture(NamedTuple):
    """A mixture of Gaussians, all of one weight and one spread: centres (modes, dimensions), and the standard deviation
    in every direction."""

    centres: NDArray[np.float64]
    deviation: float


@dataclass(frozen=True)
class Dataset:
    """A training and a held-out split of equally shaped images; the arrays may be memory maps.

    `digest` identifies the content: the SHA-256 of both splits' images and labels, as hexadecimal digits; `source`
    says where it came from. What is known of its truth: `mixture`, where points come from one, labelled by mode; and
    `channels`, where each channel of an image is an image of another data set, that one, the label being the channels'
    labels as the digits of a number, the first channel's first.

    Raises:
        BadInput: a split is empty, or the splits do not match in shape, or in having labels.
    """

    name: str
    train: Split
    test: Split
    digest: str
    source: str
    mixture: Mixture | None = None
    channels: "Dataset | None" = None

    def __post_init__(self) -> None:
        for name, (images, labels) in (("training", self.train), ("test", self.test)):
            if not images.size:
                raise BadInput(f"dataset={self.name}: the {name} split is empty, of shape {images.shape}.")
            if labels is not None and not 0 <= labels.min() <= labels.max() < max(len(self.train.images), 2):
                raise BadInput(
                    f"dataset={self.name}: the {name} labels go from {labels.min()} to {labels.max()}; they number the "
                    "classes from 0 on, and there cannot be more classes than images."
                )
        if self.train.images.shape[1:] != self.test.images.shape[1:]:
            shapes = f"{self.train.images.shape[1:]} and {self.test.images.shape[1:]}"
            raise BadInput(f"dataset={self.name}: training and test images have different shapes, {shapes}.")
        if (self.train.labels is None) != (self.test.labels is None):
            raise BadInput(f"dataset={self.name}: one split has labels and the other has none.")

    @classmethod
    def of(cls, name: str, train: Split, test: Split, *, source: str, **truth: Any) -> Self:
        """A data set with the digest computed from its arrays, which are read once, piece by piece; `truth` is its
        mixture or its channels, where it has one."""
        digest = sha256()
        for array in (*train, *test):
            if array is None:
                continue
            digest.update(repr((array.dtype.str, array.shape)).encode())
            for start in range(0, len(array), 4096):
                digest.update(np.ascontiguousarray(array[start : start + 4096]).tobytes())
        return cls(name, train, test, digest.hexdigest(), source, **truth)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(height, width, channels) of images, (dimensions,) of points."""
        return self.train.images.shape[1:]

    @property
    def classes(self) -> int | None:
        """How many classes the training labels name, or None where there are no labels."""
        return None if self.train.labels is None else int(self.train.labels.max()) + 1


class Source(ABC):
    """What a file in `dataset/` holds: where images come from."""

    @abstractmethod
    def load(self) -> Dataset:
        """Read the images. Raises BadInput that names the file, what was expected, and how to get it."""
