"""Build the package. Its settings are in pyproject.toml; here `conf/` becomes `ganfreeze/conf` in a wheel.

A checkout, and so an editable installation, uses the `conf/` at its top.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithConfigs(build_py):
    """Copy the modules, and the configs beside them."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            shutil.copytree("conf", Path(self.build_lib) / "ganfreeze" / "conf", dirs_exist_ok=True)


setup(cmdclass={"build_py": BuildWithConfigs})
