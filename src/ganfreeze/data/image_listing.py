"""The image files below a folder, and what is left out there."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

FORMATS = "PNG, JPEG, WebP or BMP"
_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
_OF_RUNS = ({"mlflow.db"}, {"run.json", "progress.json"})  # the files by which a store and a run's folder are known
_HIDDEN, _OTHER, _CIRCULAR, _OWN = "hidden", "of other types", "links to a folder that holds them", "written by runs"


class Listing(NamedTuple):
    """The image files below a folder, sorted, and the paths of what was `left_out`, by the reason."""

    images: Sequence[Path]
    left_out: Mapping[str, Sequence[Path]]


def listing(folder: Path) -> Listing:
    """Return the image files at any depth below a folder. Links are followed.

    Hidden files and folders are left out, as torchvision's and Keras' users expect of `.ipynb_checkpoints` and of the
    `._` files of macOS: names that begin with a dot, and `__MACOSX`. So are the stores and folders of earlier runs,
    which hold pictures of samples. A folder that is left out counts as one.
    """
    images: list[Path] = []
    left_out: dict[str, list[Path]] = {}

    def walk(parent: Path, above: frozenset[Path]) -> None:
        with os.scandir(parent) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        names = {entry.name for entry in found}
        if parent != folder and any(marks <= names for marks in _OF_RUNS):
            left_out.setdefault(_OWN, []).append(parent)
            return
        for entry in found:
            path = parent / entry.name
            if entry.name.startswith(".") or entry.name == "__MACOSX":
                left_out.setdefault(_HIDDEN, []).append(path)
            elif entry.is_dir():
                if (resolved := path.resolve()) in above:
                    left_out.setdefault(_CIRCULAR, []).append(path)
                else:
                    walk(path, above | {resolved})
            elif path.suffix.lower() in _SUFFIXES and entry.is_file():
                images.append(path)
            else:
                left_out.setdefault(_OTHER, []).append(path)

    walk(folder, frozenset({folder.resolve()}))
    return Listing(sorted(images), left_out)
