"""Arrays that are computed once and written to a file with a checksum; safe for several processes at once."""

import contextlib
import io
import json
import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from ganfreeze.data import numpy_files
from ganfreeze.types import Metrics

_log = logging.getLogger(__name__)
_CHECKSUM = 64  # hexadecimal digits, before the archive

Arrays = Mapping[str, NDArray[Any]]
Make = Callable[[], Arrays]


def arrays(folder: Path, key: Mapping[str, Any], make: Make) -> Arrays:
    """Return the arrays of this key from the cache in `folder`; if they are not there, from `make`.

    If several processes need them, one calls `make` and the others wait. If a file does not match its checksum, log a
    warning and compute the arrays again. If the file cannot be written, because the disk is full for example, log a
    warning and return the arrays all the same.
    """
    path = folder / f"{sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:24]}.npz"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        try:
            return _read(path)
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            _log.warning("the statistics in %s are broken (%s) and are computed again", path, error)
        computed = make()
        try:
            write(path, _packed(computed))
        except OSError as error:
            _log.warning("%s could not be written (%s)", path, error)
        return computed


def metrics(folder: Path, key: Mapping[str, Any], compute: Callable[[], Metrics]) -> Metrics:
    """Return the metrics of this key from the cache in `folder`, or from `compute`, as `arrays` does."""
    stored = arrays(folder, key, lambda: {name: np.array(value) for name, value in compute().items()})
    return {name: float(value) for name, value in stored.items()}


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    descriptor, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(unfinished).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(unfinished).unlink()
        raise


def _packed(computed: Arrays) -> bytes:
    archive = io.BytesIO()
    np.savez(archive, **computed)  # pyright: ignore[reportArgumentType]
    return sha256(archive.getvalue()).hexdigest().encode() + archive.getvalue()


def _read(path: Path) -> Arrays:
    content = path.read_bytes()
    checksum, archive = content[:_CHECKSUM], content[_CHECKSUM:]
    if sha256(archive).hexdigest().encode() != checksum:
        raise ValueError("the checksum is wrong")
    return numpy_files.read_archive(io.BytesIO(archive))
