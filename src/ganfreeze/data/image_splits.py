"""The image files of a folder as two splits, with the classes that their folders name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganfreeze.data.image_listing import FORMATS, listing
from ganfreeze.errors import BadInput, one_line

_NAMED = 3  # files or classes, at most, in a sentence


@dataclass(frozen=True)
class ImageFiles:
    """The image files of both splits below `root`, and the paths of what was `left_out`, by the reason.

    `depth` is the number of folders between the root and the class folders.
    """

    root: Path
    depth: int
    train: Sequence[Path]
    test: Sequence[Path]
    left_out: Mapping[str, Sequence[Path]]

    @cached_property
    def all(self) -> Sequence[Path]:
        """All image files, those of the training split first."""
        return [*self.train, *self.test]

    @cached_property
    def classes(self) -> Sequence[str]:
        """The names of the class folders, sorted; none if an image lies in no class folder."""
        names = {self.class_of(file) for file in self.all}
        return [] if "" in names else sorted(names)

    @cached_property
    def labels(self) -> NDArray[np.int64] | None:
        """The number of each image's class, (n,), in the order of `all`; None if there are no classes."""
        numbers = {name: number for number, name in enumerate(self.classes)}
        return np.array([numbers[self.class_of(file)] for file in self.all], np.int64) if numbers else None

    def class_of(self, file: Path) -> str:
        """Return the name of the class folder that an image lies in, "" if it lies in none."""
        folders = file.parts[len(self.root.parts) + self.depth : -1]
        return folders[0] if folders else ""

    def summary(self) -> str:
        """Say how the images are labelled, and what was left out."""
        names, loose = self.classes, sorted(file for file in self.all if not self.class_of(file))
        if names:
            shown = ", ".join(one_line(name, 40) for name in names[:_NAMED])
            count = "1 class" if len(names) == 1 else f"{len(names):,} classes"
            classes = f"{count} ({shown}{', ...' if len(names) > _NAMED else ''})"
        elif len(loose) < len(self.all):
            classes = f"no classes, because of {_counted(self.root, loose, 'beside the class folders')}"
        else:
            classes = "no class folders"
        return classes + _left_out(self.root, self.left_out)


def split_files(root: Path, held_out: float) -> ImageFiles:
    """Find the images below a folder, and divide them into splits.

    `root`/train and `root`/test are the splits, if both are there. Else the fraction `held_out` of each class, or of
    all images without classes, becomes the test split, drawn with a fixed seed.

    Raises:
        BadInput: a split would be empty, or test/ has a class that train/ has not.
    """
    images, left_out = listing(root)
    if not all((root / part).is_dir() for part in ("train", "test")):
        _require_images(images, root, root, left_out)
        return _divided(ImageFiles(root, 0, images, [], left_out), held_out)
    train, test = ([file for file in images if root / part in file.parents] for part in ("train", "test"))
    _require_images(train, root / "train", root, left_out)
    _require_images(test, root / "test", root, left_out)
    if beside := sorted({*images} - {*train, *test}):
        left_out = {**left_out, "beside train/ and test/": beside}
    files = ImageFiles(root, 1, train, test, left_out)
    if files.classes and (unseen := {*files.classes} - {*map(files.class_of, train)}):
        names = one_line(", ".join(sorted(unseen)))
        raise BadInput(f"dataset.path={root}: test/ has classes that are not in train/: {names}.")
    return files


def _divided(files: ImageFiles, held_out: float) -> ImageFiles:
    by_class: dict[str, list[Path]] = {}
    labelled = bool(files.classes)
    for file in files.train:
        by_class.setdefault(files.class_of(file) if labelled else "", []).append(file)
    train, test, random = [], [], np.random.default_rng(0)
    for _, images in sorted(by_class.items()):
        order = random.permutation(len(images))
        cut = max(1, round(len(images) * (1 - held_out)))
        train += [images[i] for i in order[:cut]]
        test += [images[i] for i in order[cut:]]
    if not test:
        raise BadInput(f"dataset.held_out={held_out} of {len(train)} images leaves no image for the test split.")
    return replace(files, train=train, test=test)


def _require_images(files: Sequence[Path], folder: Path, root: Path, left_out: Mapping[str, Sequence[Path]]) -> None:
    if not files:
        raise BadInput(f"dataset.path={root}: {folder} has no {FORMATS} files{_left_out(root, left_out)}.")


def _left_out(root: Path, left_out: Mapping[str, Sequence[Path]]) -> str:
    parts = [_counted(root, paths, reason) for reason, paths in left_out.items()]
    return f"; left out: {', '.join(parts)}" if parts else ""


def _counted(root: Path, paths: Sequence[Path], what: str) -> str:
    names = ", ".join(one_line(path.relative_to(root), 60) for path in paths[:_NAMED])
    return f"{len(paths):,} {what} ({names}{', ...' if len(paths) > _NAMED else ''})"
