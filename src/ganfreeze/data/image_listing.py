"""The image files below a folder, and what is left out there."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

FORMATS = "PNG, JPEG, WebP or BMP"
_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
_HIDDEN, _OTHER, _CIRCULAR, _OWN = "hidden", "of other types", "links to a folder that holds them", "written by runs"


class Listing(NamedTuple):
    """The image files below a folder, sorted, and the paths of what was `left_out`, by the reason."""

    images: Sequence[Path]
    left_out: Mapping[str, Sequence[Path]]


def listing(folder: Path) -> Listing:
    """Return the image files at any depth below a folder. Links are followed.

    Hidden files and folders are left out, as torchvision's and Keras' users expect of `.ipynb_checkpoints` and of the
    `._` files of macOS: names that begin with a dot, and `__MACOSX`. So are `mlruns` and `outputs` in the working
    folder, which hold the pictures of earlier runs. A folder that is left out counts as one.
    """
    own = {Path.cwd() / "mlruns", Path.cwd() / "outputs"}
    images: list[Path] = []
    left_out: dict[str, list[Path]] = {}

    def walk(parent: Path, above: frozenset[Path]) -> None:
        with os.scandir(parent) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            path = parent / entry.name
            if entry.name.startswith(".") or entry.name == "__MACOSX":
                left_out.setdefault(_HIDDEN, []).append(path)
            elif entry.is_dir():
                if (resolved := path.resolve()) in above:
                    left_out.setdefault(_CIRCULAR, []).append(path)
                elif resolved in own:
                    left_out.setdefault(_OWN, []).append(path)
                else:
                    walk(path, above | {resolved})
            elif path.suffix.lower() in _SUFFIXES and entry.is_file():
                images.append(path)
            else:
                left_out.setdefault(_OTHER, []).append(path)

    walk(folder, frozenset({folder.resolve()}))
    return Listing(sorted(images), left_out)
