"""Images from folders, prepared once into a memory map."""

import json
import shutil
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from filelock import FileLock
from pydantic import Field

from ganfreeze.types import BadInput, Dataset, Fraction, Source, Split

_SUFFIXES = {".png", ".jpg", ".jpeg"}


@dataclass(frozen=True, kw_only=True)
class ImageFolder(Source):
    """PNG or JPEG files, `path`/CLASS/..., of any size, centre-cropped and resized to `size` x `size`.

    With `path`/train/CLASS and `path`/test/CLASS the splits are those; otherwise `held_out` of the files, drawn by a
    fixed seed, become the test split. The images are written once to a memory-mapped uint8 array under `cache`, and
    again only when a file's name, size or time, or an option here has changed: the data may exceed the memory.
    """

    path: str
    cache: str
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
            raise BadInput(f"dataset.path={root}: test/ has classes that train/ has not: {', '.join(sorted(unseen))}.")
        files = train + test
        stamps = [(str(file.relative_to(root)), (stat := file.stat()).st_size, stat.st_mtime_ns) for file in files]
        options = (str(root.resolve()), self.size, self.grayscale, len(train))
        folder = Path(self.cache) / "image_folder" / sha256(json.dumps([options, stamps]).encode()).hexdigest()[:16]
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not folder.exists():
                self._prepare(files, classes, len(train), folder)
        images = np.load(folder / "images.npy", mmap_mode="r")
        labels = np.load(folder / "labels.npy")
        splits = [Split(images[part], labels[part]) for part in (slice(len(train)), slice(len(train), None))]
        return Dataset("image_folder", *splits, digest=(folder / "digest").read_text())

    def _files(self, root: Path) -> tuple[list[Path], list[Path]]:
        def of(parent: Path) -> list[Path]:
            found = sorted(file for file in parent.glob("*/*") if file.suffix.lower() in _SUFFIXES)
            if not found:
                raise BadInput(f"dataset.path={root}: {parent} has no class folders with PNG or JPEG files.")
            return found

        if (root / "train").is_dir() and (root / "test").is_dir():
            return of(root / "train"), of(root / "test")
        files = of(root)
        order = np.random.default_rng(0).permutation(len(files))
        cut = round(len(files) * (1 - self.held_out))
        if not 0 < cut < len(files):
            raise BadInput(f"dataset.held_out={self.held_out} of {len(files)} images leaves a split empty.")
        return [files[i] for i in order[:cut]], [files[i] for i in order[cut:]]

    def _prepare(self, files: list[Path], classes: list[str], cut: int, folder: Path) -> None:
        from PIL import Image

        unfinished = folder.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        shape = (len(files), self.size, self.size, 1 if self.grayscale else 3)
        images = np.lib.format.open_memmap(unfinished / "images.npy", "w+", np.uint8, shape)
        for number, file in enumerate(files):
            try:
                with Image.open(file) as image:
                    fitted = _fit(image.convert("L" if self.grayscale else "RGB"), self.size)
            except (OSError, SyntaxError, Image.DecompressionBombError) as error:
                shutil.rmtree(unfinished)
                raise BadInput(f"{file} cannot be read as an image ({error}). Mend it or take it away.") from error
            images[number] = np.asarray(fitted).reshape(shape[1:])
        images.flush()
        labels = np.array([classes.index(file.parent.name) for file in files], np.int64)
        np.save(unfinished / "labels.npy", labels)
        splits = [Split(images[part], labels[part]) for part in (slice(cut), slice(cut, None))]
        (unfinished / "digest").write_text(Dataset.of("image_folder", *splits).digest)
        unfinished.replace(folder)


def _fit(image: Any, size: int) -> Any:
    """The largest centred square, cut out first so that the resampling does not reach beyond it, then resized."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side)).resize((size, size))
