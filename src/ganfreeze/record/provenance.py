"""Where a run comes from: package versions and the state of the source."""

import getpass
import importlib.metadata
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

_PACKAGES = ("tensorflow", "keras", "tf-keras", "tensorflow-gan", "hydra-core", "mlflow", "numpy")


def versions() -> Mapping[str, str]:
    """The versions of Python and of the packages that a result may depend on."""
    python = ".".join(str(part) for part in sys.version_info[:3])
    return {"python": python} | {package: importlib.metadata.version(package) for package in _PACKAGES}


def tags() -> Mapping[str, str]:
    """The command, the user, and the commit of this source with whether it was changed since, as MLflow tags.

    The commit is left out where the source is no git checkout or git is missing.
    """
    commit = _git("rev-parse", "HEAD")
    source = {"mlflow.user": _user(), "mlflow.source.type": "LOCAL", "mlflow.source.name": sys.argv[0]}
    source["ganfreeze.command"] = shlex.join(sys.orig_argv)
    if commit:
        source["mlflow.source.git.commit"] = commit
        source["ganfreeze.git.dirty"] = str(bool(_git("status", "--porcelain"))).lower()
    return source


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
