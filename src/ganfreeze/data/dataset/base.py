"""The base class of sources of data, and the data sets of images or points that they load."""

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
    """Examples and their class labels.

    Examples are images (n, height, width, channels), uint8, or points (n, dimensions), float32. Labels are (n,), int64,
    or None.
    """

    examples: Examples
    labels: NDArray[np.int64] | None


class Mixture(NamedTuple):
    """A mixture of Gaussians that all have the same weight and the same standard deviation in every direction.

    `centres` is (modes, dimensions).
    """

    centres: NDArray[np.float64]
    deviation: float


@dataclass(frozen=True)
class Dataset:
    """A training split and a held-out test split of examples of one shape. The arrays may be memory maps.

    `digest` identifies the content: the SHA-256 of the examples and labels of both splits, in hexadecimal. `source`
    says where the examples come from. Two fields describe the true distribution, if it is known:

    - `mixture`: the mixture that the points are drawn from. The label of a point is its mode.
    - `channels`: the data set that each channel of an image is an image of. The label of an image is a number. Its
      digits are the labels of the channels, with the first channel's label as the first digit.

    Raises:
        BadInput: a split is empty, labels are out of range, or the splits differ in shape or in having labels.
    """

    name: str
    train: Split
    test: Split
    digest: str
    source: str
    mixture: Mixture | None = None
    channels: "Dataset | None" = None

    def __post_init__(self) -> None:
        origin = f", in {self.source}" if self.source else ""
        for name, (examples, labels) in (("training", self.train), ("test", self.test)):
            if not examples.size:
                raise BadInput(f"dataset={self.name}: the {name} split is empty, of shape {examples.shape}{origin}.")
            if labels is not None and not 0 <= labels.min() <= labels.max() < max(len(self.train.examples), 2):
                raise BadInput(
                    f"dataset={self.name}: the {name} labels go from {labels.min()} to {labels.max()}; they number the "
                    f"classes from 0 on, and there cannot be more classes than examples{origin}."
                )
        if self.train.examples.shape[1:] != self.test.examples.shape[1:]:
            shapes = f"{self.train.examples.shape[1:]} and {self.test.examples.shape[1:]}"
            raise BadInput(f"dataset={self.name}: training and test examples have different shapes, {shapes}{origin}.")
        if (self.train.labels is None) != (self.test.labels is None):
            raise BadInput(f"dataset={self.name}: one split has labels and the other has none{origin}.")

    @classmethod
    def of(cls, name: str, train: Split, test: Split, *, source: str, **truth: Any) -> Self:
        """Return a data set whose digest is computed from its arrays. They are read once, piece by piece.

        `truth` is its `mixture` or its `channels`, if it has one.
        """
        digest = sha256()
        for array in (*train, *test):
            if array is None:
                continue
            digest.update(repr((array.dtype.str, array.shape)).encode())
            for start in range(0, len(array), 4096):
                digest.update(np.ascontiguousarray(array[start : start + 4096]).tobytes())
        return cls(name, train, test, digest.hexdigest(), source, **truth)

    @property
    def example_shape(self) -> tuple[int, ...]:
        """The shape of an example: (height, width, channels) of an image, (dimensions,) of a point."""
        return self.train.examples.shape[1:]

    @property
    def classes(self) -> int | None:
        """The number of classes in the training labels, or None without labels."""
        return None if self.train.labels is None else int(self.train.labels.max()) + 1

    @property
    def has_classes(self) -> bool:
        """Whether the training labels tell two classes apart, or more."""
        labels = self.train.labels
        return labels is not None and bool((labels != labels[0]).any())


class Source(ABC):
    """A source of images or points: the base class of every file in `dataset/`.

    Options that several of them have:

    - `data`: the folder that is searched for the files before they are downloaded; nothing is written to it.
    - `cache`: the folder that files are downloaded to, and prepared images written to.
    - `mirror`: the address that files are downloaded from.
    - `examples`: how many examples there are to train on.
    - `deviation`: the standard deviation of each Gaussian, in every direction.
    - `held_out`: the share that becomes the test split, drawn with a fixed seed, if there is none."""

    @abstractmethod
    def load(self) -> Dataset:
        """Read or sample the data set.

        Raises:
            BadInput: it names the file, what was expected, and how to get it.
        """
