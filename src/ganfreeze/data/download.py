"""Files from where the user keeps them, else from the network, with their checksums, to a cache."""

from pathlib import Path
from typing import Any

from filelock import FileLock

from ganfreeze.errors import BadInput


def find(name: str, *, folders: list[Path]) -> Path | None:
    """`name`, or `name` unpacked (without .gz), in the first of `folders` that holds it, if any does."""
    names = [name, name.removesuffix(".gz")]
    return next((folder / each for folder in folders for each in names if (folder / each).is_file()), None)


def fetch(name: str, *, url: str, md5: str, folder: Path, advice: str) -> Path:
    """Download `url`/`name` into `folder` unless it is there with this MD5 checksum.

    Raises:
        BadInput: the network or the checksum failed; the message ends in `advice`.
    """
    import logging

    import pooch

    pooch.get_logger().setLevel(logging.WARNING)
    downloader: Any = pooch.HTTPDownloader(timeout=30)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{name}.lock"):  # of several jobs that start at once, one downloads it
            return Path(pooch.retrieve(f"{url}/{name}", f"md5:{md5}", fname=name, path=folder, downloader=downloader))
    except Exception as error:  # requests, urllib3, OSError and ValueError: each means that the file cannot be had
        reason = " ".join(str(error).split())
        raise BadInput(f"{name} could not be downloaded from {url} ({reason:.300}).\n{advice}") from error
