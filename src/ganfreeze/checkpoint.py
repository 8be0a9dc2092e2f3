"""The networks' weights on disk, and networks from them."""

from pathlib import Path

from ganfreeze.types import BadInput, Networks

_NAMES = ("generator", "discriminator")


def save(networks: Networks, folder: Path) -> Path:
    """Write `generator.weights.h5` and `discriminator.weights.h5` to `folder`, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in _NAMES:
        getattr(networks, name).save_weights(folder / f"{name}.weights.h5")
    return folder


def load(networks: Networks, folder: Path) -> None:
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
