"""The IDX format of MNIST and its kin: a header of big-endian integers, then the bytes."""

import gzip
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganfreeze import download
from ganfreeze.types import BadInput, Dataset, Split

_UNSIGNED_BYTE = 0x08


def read(path: Path) -> NDArray[np.uint8]:
    """Read an array of unsigned bytes, gzipped or not.

    The header is two zero bytes, the type, the number of dimensions, and each dimension as a 32-bit integer.

    Raises:
        BadInput: the file is no such array, or is shorter or longer than its header says.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadInput(f"{path} is no whole gzip file ({error}). Replace it by a fresh copy.") from error
    rank = content[3] if content[:3] == bytes([0, 0, _UNSIGNED_BYTE]) else 0
    start = 4 + 4 * rank
    if not rank or len(content) < start:
        raise BadInput(f"{path} is no IDX file of unsigned bytes: it begins with {content[:4].hex(' ') or 'nothing'}.")
    shape = struct.unpack(f">{rank}I", content[4:start])
    expected, found = int(np.prod(shape, dtype=np.int64)), len(content) - start
    if found != expected:
        raise BadInput(f"{path} holds {found:,} bytes of data; its header says {shape}, which is {expected:,}.")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def load(name: str, *, data: str, cache: str, mirror: str, checksums: Mapping[str, str]) -> Dataset:
    """Load the four files of a data set laid out as MNIST is.

    Looks in `data`/`name`, then in `data`, gzipped or not; else downloads to `cache`/`name` from `mirror`, with the
    MD5 `checksums` by file name (training images, training labels, test images, test labels, in this order).

    Raises:
        BadInput: a file is missing and cannot be had, is broken, or does not match its fellow.
    """
    folders = [Path(data) / name, Path(data)]
    advice = (
        f"dataset={name} needs {', '.join(checksums)}, gzipped or not. They were looked for in {folders[0]} and in "
        f"{folders[1]}: put them there, or set paths.data=FOLDER or the environment variable GANFREEZE_DATA."
    )
    paths = [
        download.find(file, folders=folders)
        or download.fetch(file, url=mirror, md5=md5, folder=Path(cache) / name, advice=advice)
        for file, md5 in checksums.items()
    ]
    return Dataset.of(name, _split(*paths[:2]), _split(*paths[2:]))


def _split(images_path: Path, labels_path: Path) -> Split:
    images, labels = read(images_path), read(labels_path)
    if images.ndim != 3:
        raise BadInput(f"{images_path} holds an array of shape {images.shape}; images are (n, height, width).")
    if labels.shape != images.shape[:1]:
        raise BadInput(f"{labels_path} holds labels of shape {labels.shape} for {len(images):,} images.")
    return Split(images[..., np.newaxis], labels.astype(np.int64))
