"""Checksums of the files in a folder, kept in a file beside them."""

import json
from hashlib import file_digest
from pathlib import Path

_FILE = "checksums.json"


def write(folder: Path) -> None:
    """Write the SHA-256 of each file in `folder`."""
    (folder / _FILE).write_text(json.dumps({path.name: _sha256(path) for path in sorted(folder.iterdir())}))


def problem(folder: Path) -> str:
    """Say which file in `folder` is not as `write` found it; "" if all are."""
    try:
        recorded = dict(json.loads((folder / _FILE).read_text()))
        changed = [name for name, checksum in recorded.items() if _sha256(folder / Path(name).name) != checksum]
    except (OSError, ValueError, TypeError) as error:
        return f"its checksums cannot be read ({error})"
    return f"{', '.join(changed)} was changed since it was written" if changed else ""


def exist(folder: Path) -> bool:
    """Return whether `folder` has checksums. Runs that were recorded by earlier versions have none."""
    return (folder / _FILE).is_file()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
