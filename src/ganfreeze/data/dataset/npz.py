"""Images from a NumPy archive."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ganfreeze.data import numpy_files
from ganfreeze.data.dataset.base import Dataset, Source, Split
from ganfreeze.errors import BadInput, one_line
from ganfreeze.types import Fraction


@dataclass(frozen=True, kw_only=True)
class Npz(Source):
    """Images from the arrays `x_train`, `y_train`, `x_test`, `y_test` (as in Keras' mnist.npz), or `images`, `labels`.

    - `path`: the archive.

    Images are uint8, (n, height, width) or (n, height, width, channels) with 1 or 3 channels. Labels are integers (n,);
    they may be missing. Pickled objects are refused.
    """

    path: Annotated[str, Field(description="a .npz file")]
    held_out: Fraction = 0.1

    def load(self) -> Dataset:
        path = Path(self.path)
        if not path.is_file():
            raise BadInput(f"dataset.path={path}: there is no such file. Give an .npz archive.")
        try:
            with path.open("rb") as file:
                arrays = numpy_files.read_archive(file)
        except (ValueError, OSError) as error:
            raise BadInput(f"dataset.path={path} cannot be read as an .npz archive of plain arrays: {error}") from error
        if "x_train" in arrays and "x_test" in arrays:
            train, test = (self._split(arrays, f"x_{part}", f"y_{part}") for part in ("train", "test"))
        elif "images" in arrays:
            train, test = _hold_out(self._split(arrays, "images", "labels"), self.held_out)
        else:
            raise BadInput(
                f"dataset.path={path} holds {one_line(', '.join(arrays) or 'no arrays', 100)}; "
                "it must hold x_train and x_test (with y_train, y_test), or images (with labels)."
            )
        return Dataset.of("npz", train, test, source=str(path))

    def _split(self, arrays: dict[str, Any], images_key: str, labels_key: str) -> Split:
        images, labels = arrays[images_key], arrays.get(labels_key)
        if images.ndim == 3:
            images = images[..., np.newaxis]
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3):
            raise BadInput(
                f"dataset.path={self.path}: {images_key} is {_described(arrays[images_key])}; images "
                "are uint8 from 0 to 255, (n, height, width) or (n, height, width, channels) with 1 or 3 channels."
            )
        if not images.size:
            raise BadInput(f"dataset.path={self.path}: {images_key} is empty, of shape {arrays[images_key].shape}.")
        if labels is None:
            return Split(images, None)
        if not np.issubdtype(labels.dtype, np.integer) or labels.size != len(images):
            raise BadInput(
                f"dataset.path={self.path}: {labels_key} is {_described(labels)}; labels are "
                f"integers, one for each of the {len(images):,} images."
            )
        return Split(images, labels.reshape(-1).astype(np.int64))


def _described(array: NDArray[Any]) -> str:
    return one_line(f"{array.dtype} of shape {array.shape}", 100)  # types may have many fields, shapes 64 dimensions


def _hold_out(split: Split, fraction: float) -> tuple[Split, Split]:
    images, labels = split
    order = np.random.default_rng(0).permutation(len(images))
    cut = round(len(images) * (1 - fraction))
    if not 0 < cut < len(images):
        raise BadInput(
            f"dataset=npz: dataset.held_out={fraction} of {len(images)} images leaves no image for one of the splits."
        )
    train, test = np.sort(order[:cut]), np.sort(order[cut:])
    return tuple(Split(images[part], None if labels is None else labels[part]) for part in (train, test))  # pyright: ignore[reportReturnType]
