"""Find files in the user's folders, or download them to a cache and verify their checksums."""

from pathlib import Path
from typing import Any

from filelock import FileLock

from ganfreeze.errors import BadInput, one_line


def find(name: str, *, folders: list[Path]) -> Path | None:
    """Return the path of `name`, or of `name` without .gz, in the first of `folders` that holds it; else None."""
    names = [name, name.removesuffix(".gz")]
    paths = (folder / file for folder in folders for file in names)
    return next((path for path in paths if path.is_file()), None)


def fetch(name: str, *, url: str, md5: str, folder: Path, advice: str) -> Path:
    """Return the path of `name` in `folder`. Download `url`/`name` to it unless it is there with this MD5 checksum.

    Raises:
        BadInput: the download failed, or the checksum is wrong. The message ends with `advice`.
    """
    import logging

    import pooch

    pooch.get_logger().setLevel(logging.WARNING)
    downloader: Any = pooch.HTTPDownloader(timeout=30)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{name}.lock"):  # if several jobs start at once, one downloads it
            return Path(pooch.retrieve(f"{url}/{name}", f"md5:{md5}", fname=name, path=folder, downloader=downloader))
    except Exception as error:  # of requests or urllib3, OSError, ValueError: in all cases there is no usable file
        raise BadInput(f"{name} could not be downloaded from {url} ({one_line(error, 300)}).\n{advice}") from error
