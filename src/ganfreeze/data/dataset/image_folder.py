"""Images from folders, prepared once into a memory map."""

import json
import logging
import shutil
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Annotated

import numpy as np
from filelock import FileLock
from pydantic import Field

from ganfreeze.data import numpy_files
from ganfreeze.data.dataset.base import Dataset, Source, Split
from ganfreeze.errors import BadInput
from ganfreeze.types import Folder, Fraction

_log = logging.getLogger(__name__)
_SUFFIXES = {".png", ".jpg", ".jpeg"}


@dataclass(frozen=True, kw_only=True)
class ImageFolder(Source):
    """PNG or JPEG files of any size, PATH/CLASS/..., centre-cropped and resized to a square.

    - `path`: the folder of the images. Its folders train/CLASS and test/CLASS, if they exist, are the splits. Else the
      share `held_out` of each class becomes the test split.
    - `size`: the side of the square, in pixels.
    - `grayscale`: whether images become grey.

    The images are written once to a memory-mapped uint8
    array under `cache`, so they may be larger than memory. They are written again only if the name, size or time of a
    file, or an option here, has changed, or if what was written does not match its digest.
    """

    path: Folder
    cache: Folder
    size: Annotated[int, Field(ge=4, le=1024)] = 32
    grayscale: bool = False
    held_out: Fraction = 0.1

    def load(self) -> Dataset:
        root = Path(self.path)
        if not root.is_dir():
            raise BadInput(f"dataset.path={root}: there is no such folder. Give one with a folder for each class.")
        train, test = self._files(root)
        classes = sorted({file.parent.name for file in train})
        if unseen := {file.parent.name for file in test} - set(classes):
            names = ", ".join(sorted(unseen))
            raise BadInput(f"dataset.path={root}: test/ has classes that are not in train/: {names}.")
        stamps = [
            (str(file.relative_to(root)), (stat := file.stat()).st_size, stat.st_mtime_ns) for file in train + test
        ]
        options = (str(root.resolve()), self.size, self.grayscale, len(train))
        folder = Path(self.cache) / "image_folder" / sha256(json.dumps([options, stamps]).encode()).hexdigest()[:16]
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):  # if several jobs start at once, one prepares it
            try:
                return self._read(folder, len(train), len(test))
            except FileNotFoundError:
                pass
            except (OSError, ValueError) as error:
                _log.warning("the images in %s are broken (%s) and are prepared again", folder, error)
            self._prepare(train + test, classes, len(train), folder)
            return self._read(folder, len(train), len(test))

    def _read(self, folder: Path, train: int, test: int) -> Dataset:
        images = numpy_files.memory_map(folder / "images.npy")
        labels = np.array(numpy_files.memory_map(folder / "labels.npy"))
        if images.shape != (train + test, *self._shape) or labels.shape != (train + test,):
            raise ValueError(f"the shapes are {images.shape} and {labels.shape}")
        splits = [Split(images[part], labels[part]) for part in (slice(train), slice(train, None))]
        dataset = Dataset.of("image_folder", *splits, source=self.path)
        if dataset.digest != (folder / "digest").read_text():
            raise ValueError("they do not match their digest")
        return dataset

    @property
    def _shape(self) -> tuple[int, int, int]:
        return self.size, self.size, 1 if self.grayscale else 3

    def _files(self, root: Path) -> tuple[list[Path], list[Path]]:
        if (root / "train").is_dir() and (root / "test").is_dir():
            train, test = (list(chain(*self._classes(root / part))) for part in ("train", "test"))
            return train, test
        train, test = [], []
        random = np.random.default_rng(0)
        for files in self._classes(root):
            order = random.permutation(len(files))
            cut = max(1, round(len(files) * (1 - self.held_out)))
            train += [files[i] for i in order[:cut]]
            test += [files[i] for i in order[cut:]]
        if not test:
            raise BadInput(
                f"dataset.held_out={self.held_out} of {len(train)} images leaves no image for the test split."
            )
        return train, test

    def _classes(self, parent: Path) -> list[list[Path]]:
        """Return the image files of each class folder, without empty folders."""
        folders = sorted(folder for folder in parent.iterdir() if folder.is_dir())
        paths = [sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES) for folder in folders]
        classes = [[path for path in folder_paths if path.is_file()] for folder_paths in paths]
        if not any(classes):
            raise BadInput(f"dataset.path={self.path}: {parent} has no class folders with PNG or JPEG files.")
        return [files for files in classes if files]

    def _prepare(self, files: list[Path], classes: list[str], cut: int, folder: Path) -> None:
        from ganfreeze.data import image_file  # imports Pillow, which prepared images do without

        shape = (len(files), *self._shape)
        if (free := shutil.disk_usage(folder.parent).free) < 1.01 * np.prod(shape):
            raise BadInput(
                f"{folder.parent} has {free / 1e9:.1f} GB free; these images need {np.prod(shape) / 1e9:.1f} GB at "
                f"dataset.size={self.size}. Set paths.cache=FOLDER or the environment variable GANFREEZE_CACHE."
            )
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            unfinished = Path(temporary) / folder.name
            unfinished.mkdir()
            images = np.lib.format.open_memmap(unfinished / "images.npy", "w+", np.uint8, shape)
            for number, file in enumerate(files):
                images[number] = image_file.read(file, size=self.size, grayscale=self.grayscale)
            images.flush()
            labels = np.array([classes.index(file.parent.name) for file in files], np.int64)
            np.save(unfinished / "labels.npy", labels)
            splits = [Split(images[part], labels[part]) for part in (slice(cut), slice(cut, None))]
            digest = Dataset.of("image_folder", *splits, source=self.path).digest
            (unfinished / "digest").write_text(digest)
            shutil.rmtree(folder, ignore_errors=True)
            unfinished.replace(folder)
