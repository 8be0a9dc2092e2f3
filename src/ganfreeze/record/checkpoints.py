"""The networks' weights on disk, and networks from them."""

import json
from pathlib import Path

from ganfreeze.errors import BadInput
from ganfreeze.gan.networks import Networks
from ganfreeze.types import Model

_NAMES = ("generator", "discriminator")
_AVERAGE = "generator_ema.weights.h5"


def save(networks: Networks, folder: Path, average: Model | None = None) -> Path:
    """Write both networks' weights and the shape of their images to `folder`, with those of the generator's `average`
    where there is one, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "image_shape.json").write_text(json.dumps(networks.generator.output_shape[1:]))
    for name in _NAMES:
        getattr(networks, name).save_weights(folder / f"{name}.weights.h5")
    if average:
        average.save_weights(folder / _AVERAGE)
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
        _load(getattr(networks, name), folder / f"{name}.weights.h5")


def has_average(folder: Path) -> bool:
    """Whether `save` was given an average of the generator."""
    return (folder / _AVERAGE).is_file()


def restore_average(generator: Model, folder: Path) -> None:
    """Set a generator's weights to the average that `save` wrote. Raises BadInput as `restore` does."""
    _load(generator, folder / _AVERAGE)


def _load(network: Model, path: Path) -> None:
    try:
        network.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        raise BadInput(f"{path} does not hold the weights of this {network.name}: {error}") from error
