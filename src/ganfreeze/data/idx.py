"""The IDX format of MNIST and similar data sets: a header of big-endian integers, then the data as bytes."""

import gzip
import math
import struct
import zlib
from collections.abc import Mapping
from io import BufferedIOBase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganfreeze.data import download
from ganfreeze.data.dataset.base import Dataset, Split
from ganfreeze.errors import BadInput

_UNSIGNED_BYTE = 0x08
_MOST_DIMENSIONS = 8
_PART = 2**20


def read(path: Path) -> NDArray[np.uint8]:
    """Read an array of unsigned bytes, gzipped or not.

    The header is two zero bytes, the type, the number of dimensions, and each dimension as a 32-bit integer. No more is
    read, or decompressed, than the header announces.

    Raises:
        BadInput: the file is not such an array, has more than 8 dimensions, or its length is not that of its header.
    """
    try:
        with path.open("rb") as file:
            return _read(gzip.GzipFile(fileobj=file) if path.suffix == ".gz" else file, path)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadInput(f"{path} is not a complete gzip file ({error}). Replace it with a fresh copy.") from error
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.") from error


def _read(stream: BufferedIOBase, path: Path) -> NDArray[np.uint8]:
    magic = stream.read(4)
    rank = magic[3] if magic[:3] == bytes([0, 0, _UNSIGNED_BYTE]) and len(magic) == 4 else 0
    sizes = stream.read(4 * rank)
    if not rank or len(sizes) < 4 * rank:
        raise BadInput(f"{path} is not an IDX file of unsigned bytes: it begins with {magic.hex(' ') or 'nothing'}.")
    if rank > _MOST_DIMENSIONS:
        raise BadInput(f"{path} has {rank} dimensions; at most {_MOST_DIMENSIONS} are read.")
    shape = struct.unpack(f">{rank}I", sizes)
    expected = math.prod(shape)  # of Python's integers, which do not overflow
    content = _at_most(stream, expected + 1)
    if len(content) != expected:
        size = f"{len(content):,}" if len(content) < expected else "more"
        raise BadInput(f"{path} holds {size} bytes of data; its header says {shape}, which is {expected:,}.")
    try:
        return np.frombuffer(content, np.uint8).reshape(shape)
    except ValueError as error:  # an empty array has a greatest shape, too
        raise BadInput(f"{path} has the shape {shape}, which no array can have ({error}).") from error


def _at_most(stream: BufferedIOBase, count: int) -> bytearray:
    """Read at most `count` bytes, in small parts: a header may announce more than there is memory."""
    content = bytearray()
    while part := stream.read(min(count - len(content), _PART)):
        content += part
    return content


def load(name: str, *, data: str, cache: str, mirror: str, checksums: Mapping[str, str]) -> Dataset:
    """Load a data set of four files, laid out like MNIST.

    The files, gzipped or not, are looked for in `data`/`name`, or in `data` if that folder itself is called `name`. If
    they are not there, they are downloaded from `mirror` to `cache`/`name`. All data sets of this layout have the same
    file names, so only the folder's name tells them apart. `checksums` are the MD5 checksums by file name: training
    images, training labels, test images, test labels, in this order.

    Raises:
        BadInput: a file is missing and cannot be downloaded, or is broken, or labels do not match their images.
    """
    folder = Path(data) if Path(data).name == name else Path(data) / name
    advice = (
        f"dataset={name} needs {', '.join(checksums)}, gzipped or not. They were looked for in {folder}: "
        "put them there, or set paths.data=FOLDER or the environment variable GANFREEZE_DATA, with them in FOLDER/"
        f"{name}."
    )
    paths = [
        download.find(file, folders=[folder])
        or download.fetch(file, url=mirror, md5=md5, folder=Path(cache) / name, advice=advice)
        for file, md5 in checksums.items()
    ]
    return Dataset.of(name, _split(*paths[:2]), _split(*paths[2:]), source=str(paths[0].parent))


def _split(images_path: Path, labels_path: Path) -> Split:
    images, labels = read(images_path), read(labels_path)
    if images.ndim != 3:
        raise BadInput(f"{images_path} holds an array of shape {images.shape}; images are (n, height, width).")
    if labels.shape != images.shape[:1]:
        raise BadInput(f"{labels_path} holds labels of shape {labels.shape} for {len(images):,} images.")
    return Split(images[..., np.newaxis], labels.astype(np.int64))
