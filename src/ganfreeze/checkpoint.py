"""The networks' weights on disk, and networks from them."""

import json
from pathlib import Path

from ganfreeze.errors import BadInput
from ganfreeze.types import Networks

_NAMES = ("generator", "discriminator")


def save(networks: Networks, folder: Path) -> Path:
    """Write both networks' weights and the shape of their images to `folder`, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "image_shape.json").write_text(json.dumps(networks.generator.output_shape[1:]))
    for name in _NAMES:
        getattr(networks, name).save_weights(folder / f"{name}.weights.h5")
    return folder


def image_shape(folder: Path) -> tuple[int, ...]:
    """The shape of the images or points that the networks in `folder` are for."""
    return tuple(json.loads((folder / "image_shape.json").read_text()))


def restore(networks: Networks, folder: Path) -> None:
    """Set both networks' weights to those that `save` wrote.

    Raises:
        BadInput: a file is missing, or belongs to networks of another architecture.
    """
    for name in _NAMES:
        path = folder / f"{name}.weights.h5"
        try:
            getattr(networks, name).load_weights(path)
        except (OSError, ValueError, KeyError) as error:
            raise BadInput(f"{path} does not hold the weights of this {name}: {error}") from error
