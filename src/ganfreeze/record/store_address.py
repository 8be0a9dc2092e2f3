"""Addresses of MLflow stores: which there are, which hold a secret, and whether anything is there."""

import re
import socket
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from ganfreeze.errors import BadInput

_SCHEMES = ("http", "https", "sqlite", "postgresql", "mysql", "mssql", "databricks")


def tracking_uri(uri: str | None, store: str) -> str:
    """Return `uri`, or the address of the SQLite store in the folder `store` if `uri` is None.

    Raises:
        BadInput: MLflow cannot keep runs at such an address, or the address holds a password. The message does not.
    """
    if uri is None:
        path = str((Path(store) / "mlflow.db").resolve())
        # With the first scheme MLflow would make a folder that is called as the quoted path.
        return f"sqlite:///{path}" if quote(path) == path else f"sqlite+pysqlite:///{quote(path)}"
    require_no_secret(uri)
    if urlsplit(uri).scheme.partition("+")[0] not in _SCHEMES:
        shown = uri.rpartition("@")[2]
        raise BadInput(f"uri={shown}: must be an address that begins with one of {', '.join(_SCHEMES)}")
    return uri


def require_no_secret(uri: str) -> None:
    """Raise BadInput if an address, or one of several in a text, holds a password. The message does not."""
    plain = unquote(uri)
    secret = re.search(r"(pass|pwd|token|secret|key)\w*=", plain, re.IGNORECASE)
    for before in plain.split("@")[:-1]:
        scheme, _, user = before.rpartition("//")
        is_token = user and scheme.endswith(("http:", "https:"))  # a server's user may be one
        secret = secret or ":" in user or is_token
    if secret:
        raise BadInput(
            "tracker.uri must hold no password, because the address is recorded. For a server, set the environment "
            "variables MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD; for a database, use its own, such as "
            "PGPASSWORD."
        )


def sqlite_file(uri: str) -> Path | None:
    """Return the file of a SQLite store, or None for another kind of store, or for a file with options of SQLite."""
    scheme, _, path = uri.partition(":///")
    return Path(unquote(path)) if scheme in ("sqlite", "sqlite+pysqlite") and not path.startswith("file:") else None


def require_store(uri: str) -> None:
    """Raise BadInput if `uri` is the address of a SQLite store that does not exist. MLflow would make it."""
    if (file := sqlite_file(uri)) and not file.exists():
        raise BadInput(
            f"there is no MLflow store at {file}. Set its folder (paths.mlruns; for report.py and sample.py mlruns) or "
            "its address (tracker.uri; for report.py and sample.py uri)."
        )


def require_server(uri: str) -> None:
    """Raise OSError if `uri` is the address of a server, and nobody answers there."""
    address = urlsplit(uri)
    if address.scheme in ("http", "https"):
        socket.create_connection((address.hostname or "", address.port or address.scheme), timeout=5).close()
