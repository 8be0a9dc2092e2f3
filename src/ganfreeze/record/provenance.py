"""Where a run comes from: package versions, the command, and the state of the source."""

import getpass
import importlib.metadata
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from ganfreeze.backend import machine

_PACKAGES = ("tensorflow", "keras", "tf-keras", "tensorflow-gan", "hydra-core", "mlflow", "numpy")


def versions() -> Mapping[str, str]:
    """Return the versions of Python and of the packages that may change a result."""
    python = ".".join(str(part) for part in sys.version_info[:3])
    return {"python": python} | {package: importlib.metadata.version(package) for package in _PACKAGES}


def tags() -> Mapping[str, str]:
    """Return MLflow tags: the command, the user, the machine, the commit of this source, and whether it has changes.

    The commit is left out if the source is no git checkout, or if git is missing.
    """
    commit = _git("rev-parse", "HEAD")
    values = {"mlflow.user": _user(), "mlflow.source.type": "LOCAL", "mlflow.source.name": sys.argv[0]}
    values["ganfreeze.command"] = shlex.join(sys.orig_argv)
    values |= {f"machine.{key}": value for key, value in machine.description().items()}
    if commit:
        values["mlflow.source.git.commit"] = commit
        values["ganfreeze.git.dirty"] = str(bool(_git("status", "--porcelain"))).lower()
    return values


def changes() -> str:
    """Return the changes of this source since its commit, as a diff; "" if there are none, or no git checkout."""
    return _git("diff", "HEAD")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # in a container, a user may have no name
        return str(os.getuid())


def _git(*arguments: str) -> str:
    try:
        command = ["git", "-C", str(Path(__file__).parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
