"""NumPy's files from anywhere: no pickle is loaded, and no more memory is taken than the file can fill."""

import io
import math
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ganfreeze.errors import one_line

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # those of np.savez and np.savez_compressed
_MOST_DEFLATED = 1032  # bytes that one byte can become: 258 for each two bits


def read_archive(file: BinaryIO) -> dict[str, NDArray[Any]]:
    """Return the arrays of an .npz archive by name. Entries that are not .npy files are ignored.

    The archive is read in memory: an entry's name is never a path.

    Raises:
        ValueError: the archive is broken, has Python objects in it, or announces more than it can hold.
    """
    try:
        size = file.seek(0, io.SEEK_END)
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            if (announced := sum(entry.file_size for entry in entries)) > _MOST_DEFLATED * size:
                raise ValueError(f"it announces {announced:,} bytes, which {size:,} bytes cannot hold")
            arrays = [entry for entry in entries if entry.filename.endswith(".npy")]
            return {entry.filename.removesuffix(".npy"): _array(archive, entry) for entry in arrays}
    except Exception as error:  # zipfile and NumPy raise any kind on broken files, from struct.error to TokenError
        raise ValueError(one_line(error)) from error


def memory_map(path: Path) -> NDArray[Any]:
    """Return the array of an .npy file as a memory map that cannot be written to.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is broken, has Python objects in it, or its size is not that of its header.
    """
    try:
        with path.open("rb") as file:
            _check_header(file, path.stat().st_size)
        return np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError:
        raise
    except Exception as error:  # as above
        raise ValueError(f"{path.name}: {one_line(error)}") from error


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> NDArray[Any]:
    if entry.compress_type not in _METHODS:
        raise ValueError(f"{entry.filename} is neither stored nor deflated, but compressed by another method")
    with archive.open(entry) as member:
        _check_header(member, entry.file_size)
    with archive.open(entry) as member:
        return np.lib.format.read_array(member, allow_pickle=False)


def _check_header(file: Any, size: int) -> None:
    """Refuse an .npy file of `size` bytes whose header announces another size: NumPy would allocate that."""
    version = np.lib.format.read_magic(file)
    if version != (1, 0):  # NumPy writes others only for structured types, and their headers may be as long as 4 GB
        raise ValueError(f"the .npy format has version {version[0]}.{version[1]}; only 1.0 is read")
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    if dtype.hasobject:
        raise ValueError("it has Python objects in it, which are pickles; they are never loaded")
    announced, held = math.prod(shape) * dtype.itemsize, size - file.tell()
    if min(shape, default=0) < 0 or announced != held:
        raise ValueError(f"its header says shape {shape} and {dtype}, {announced:,} bytes; {held:,} are there")
