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

_ROOT = Path(__file__).parents[3]
_MOST_FILES, _MOST_CHARACTERS = 50, 2**20  # of new files, and of a diff
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
    """Return the changes of this source since its commit, as a diff with new files; "" if there are none, or no git."""
    plain = ("--no-color", "--no-ext-diff")
    untracked = _git("ls-files", "--others", "--exclude-standard", "--full-name", ":/").splitlines()
    new = [_git("diff", *plain, "--no-index", "/dev/null", name, fails=True) for name in untracked[:_MOST_FILES]]
    return "\n".join(filter(None, [_git("diff", *plain, "HEAD"), *new]))[:_MOST_CHARACTERS]


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # in a container, a user may have no name
        return str(os.getuid())


def _git(*arguments: str, fails: bool = False) -> str:
    """Return what git prints in the root of this source, "" if it fails; if it `fails` by rule, what it prints then.

    An installed package has no such root. It may lie inside somebody else's checkout, whose commit says nothing.
    """
    if not (_ROOT / "pyproject.toml").is_file():
        return ""
    try:
        command = ["git", "-C", str(_ROOT), *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, errors="replace")
    except OSError:
        return ""
    return ended.stdout.strip() if fails or ended.returncode == 0 else ""
