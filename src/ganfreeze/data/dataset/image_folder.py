"""Images from folders, prepared once into a memory map."""

import json
import logging
import shutil
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from ganfreeze.data import image_splits, numpy_files
from ganfreeze.data.dataset.base import Dataset, Source, Split
from ganfreeze.data.image_splits import ImageFiles
from ganfreeze.errors import BadInput
from ganfreeze.types import Folder, Fraction

_log = logging.getLogger(__name__)
_RECIPE = 2  # raise it when the same files give other images, so that what was prepared before is not read


def _colour(value: str) -> str:
    try:
        _red_green_blue(value)
    except ValueError:
        raise ValueError("a colour name such as white, or #rrggbb in quotes") from None
    return value


def _red_green_blue(colour: str) -> tuple[int, int, int]:
    from PIL import ImageColor

    red, green, blue, *alpha = ImageColor.getrgb(colour)
    if alpha:
        raise ValueError("the background itself would be transparent")
    return red, green, blue


@dataclass(frozen=True, kw_only=True)
class ImageFolder(Source):
    """PNG, JPEG, WebP or BMP files of any size, centre-cropped and resized to a square.

    - `path`: the folder of the images. The first folder below it is an image's class, in which folders may be nested;
      if an image lies in no folder, there are no labels. The folders train and test, if both exist, are the splits, and
      their folders the classes. Else the share `held_out` of each class becomes the test split.
    - `size`: the side of the square, in pixels.
    - `grayscale`: whether images become grey.
    - `background`: what transparent pixels show: a colour name, or #rrggbb, as in Pillow's ImageColor.

    Hidden files and folders are left out. A line says what was found, and what was left out. The images are written
    once to a memory-mapped uint8 array under `cache`, so they may be larger than memory. They are written again only if
    the name, size or time of a file, or an option here, has changed, or if what was written does not match its digest.
    """

    path: Folder
    cache: Folder
    size: Annotated[int, Field(ge=4, le=1024)] = 32
    grayscale: bool = False
    background: Annotated[str, AfterValidator(_colour)] = "white"
    held_out: Fraction = 0.1

    def load(self) -> Dataset:
        root = Path(self.path)
        if not root.is_dir():
            raise BadInput(f"dataset.path={root}: there is no such folder. Give one that holds images.")
        files = image_splits.split_files(root, self.held_out)
        stamps = [(str(file.relative_to(root)), (stat := file.stat()).st_size, stat.st_mtime_ns) for file in files.all]
        background = _red_green_blue(self.background)
        options = (_RECIPE, str(root.resolve()), self.size, self.grayscale, background, len(files.train))
        folder = Path(self.cache) / "image_folder" / sha256(json.dumps([options, stamps]).encode()).hexdigest()[:16]
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):  # if several jobs start at once, one prepares it
            dataset = self._prepared(folder, files)
        _log.info(
            "dataset.path=%s: %s images, %s to train on and %s to test, as %sx%s %s; %s",
            *(root, *(f"{len(each):,}" for each in (files.all, files.train, files.test))),
            *(self.size, self.size, "grey" if self.grayscale else "RGB", files.summary()),
        )
        return dataset

    def _prepared(self, folder: Path, files: ImageFiles) -> Dataset:
        try:
            return self._read(folder, files)
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            _log.warning("the images in %s are broken (%s) and are prepared again", folder, error)
        self._prepare(folder, files)
        return self._read(folder, files)

    def _read(self, folder: Path, files: ImageFiles) -> Dataset:
        images = numpy_files.memory_map(folder / "images.npy")
        labels = np.array(numpy_files.memory_map(folder / "labels.npy")) if files.classes else None
        count, shapes = len(files.all), [images.shape, *([] if labels is None else [labels.shape])]
        if shapes != [(count, *self._shape), (count,)][: len(shapes)]:
            raise ValueError(f"the shapes are {' and '.join(map(str, shapes))}")
        dataset = self._dataset(images, labels, len(files.train))
        if dataset.digest != (folder / "digest").read_text():
            raise ValueError("they do not match their digest")
        return dataset

    @property
    def _shape(self) -> tuple[int, int, int]:
        return self.size, self.size, 1 if self.grayscale else 3

    def _dataset(self, images: NDArray[np.uint8], labels: NDArray[np.int64] | None, train: int) -> Dataset:
        parts = (slice(train), slice(train, None))
        splits = [Split(images[part], None if labels is None else labels[part]) for part in parts]
        return Dataset.of("image_folder", *splits, source=self.path)

    def _prepare(self, folder: Path, files: ImageFiles) -> None:
        from ganfreeze.data import image_file  # imports Pillow's readers, which prepared images do without

        shape = (len(files.all), *self._shape)
        if (free := shutil.disk_usage(folder.parent).free) < 1.01 * np.prod(shape):
            raise BadInput(
                f"{folder.parent} has {free / 1e9:.1f} GB free; these images need {np.prod(shape) / 1e9:.1f} GB at "
                f"dataset.size={self.size}. Set paths.cache=FOLDER or the environment variable GANFREEZE_CACHE."
            )
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            unfinished = Path(temporary) / folder.name
            unfinished.mkdir()
            images = np.lib.format.open_memmap(unfinished / "images.npy", "w+", np.uint8, shape)
            smaller, background = 0, _red_green_blue(self.background)
            for number, file in enumerate(files.all):
                picture = image_file.read(file, size=self.size, grayscale=self.grayscale, background=background)
                images[number] = picture.pixels
                smaller += picture.side < self.size
            images.flush()
            if (labels := files.labels) is not None:
                np.save(unfinished / "labels.npy", labels)
            (unfinished / "digest").write_text(self._dataset(images, labels, len(files.train)).digest)
            shutil.rmtree(folder, ignore_errors=True)
            unfinished.replace(folder)
        if smaller:
            _log.info(
                "dataset.path=%s: %s of %s images are smaller than dataset.size=%s, and were enlarged",
                *(self.path, f"{smaller:,}", f"{len(images):,}", self.size),
            )
