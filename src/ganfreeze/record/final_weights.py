"""Save the final weights of the networks to a folder, and load them."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import h5py
from numpy.typing import NDArray

from ganfreeze.errors import BadInput
from ganfreeze.gan.networks import Networks
from ganfreeze.record import checksums
from ganfreeze.types import Model

_NAMES = ("generator", "discriminator")
_AVERAGE = "generator_ema.weights.h5"


def save(networks: Networks, folder: Path, average: Model | None = None) -> Path:
    """Write the weights of both networks, the shape of their examples, and checksums to `folder`; return `folder`.

    `average` is a generator with averaged weights. Its weights are written too, if it is given.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".") as unfinished:
        written = Path(unfinished) / folder.name
        written.mkdir()
        (written / "image_shape.json").write_text(json.dumps(networks.generator.output_shape[1:]))
        for name in _NAMES:
            getattr(networks, name).save_weights(written / f"{name}.weights.h5")
        if average:
            average.save_weights(written / _AVERAGE)
        checksums.write(written)
        shutil.rmtree(folder, ignore_errors=True)
        written.replace(folder)
    return folder


def example_shape(folder: Path) -> tuple[int, ...]:
    """Return the shape of the images or points that the networks in `folder` are for. Raises BadInput as `restore`."""
    _require_intact(folder)
    return tuple(json.loads((folder / "image_shape.json").read_text()))


def restore(networks: Networks, folder: Path) -> None:
    """Set the weights of both networks to those that `save` wrote.

    Raises:
        BadInput: a file is missing or damaged, or belongs to networks of another architecture.
    """
    _require_intact(folder)
    for name in _NAMES:
        _load(getattr(networks, name), folder / f"{name}.weights.h5")


def has_average(folder: Path) -> bool:
    """Return whether `save` wrote averaged weights of the generator to `folder`."""
    return (folder / _AVERAGE).is_file()


def restore_average(generator: Model, folder: Path) -> None:
    """Set the weights of a generator to the averaged weights that `save` wrote. Raises BadInput as `restore` does."""
    _require_intact(folder)
    _load(generator, folder / _AVERAGE)


def arrays(folder: Path) -> Mapping[str, NDArray[Any]]:
    """Return all weights that `save` wrote to `folder`, by file and place in it. Raises OSError."""
    found: dict[str, NDArray[Any]] = {}
    for path in sorted(folder.glob("*.weights.h5")):
        with h5py.File(path) as file:
            file.visititems(lambda name, item, path=path: _collect(found, f"{path.name}/{name}", item))
    return found


def digest(folder: Path) -> str:
    """Return the SHA-256 of all weights that `save` wrote to `folder`. Raises OSError."""
    return sha256(b"".join(array.tobytes() for array in arrays(folder).values())).hexdigest()


def _collect(found: dict[str, NDArray[Any]], name: str, item: Any) -> None:
    if isinstance(item, h5py.Dataset):
        found[name] = item[()]


def _require_intact(folder: Path) -> None:
    if checksums.exist(folder) and (problem := checksums.problem(folder)):
        raise BadInput(f"{folder}: {problem}")


def _load(network: Model, path: Path) -> None:
    try:
        network.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        raise BadInput(f"{path} does not hold the weights of this {network.name}: {error}") from error
