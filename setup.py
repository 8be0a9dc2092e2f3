"""Build the package. Its settings are in pyproject.toml; here a wheel gets `conf/`, and what experiments compare with.

A checkout, and so an editable installation, uses the folders at its top.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

EXPERIMENTS = ("published.csv", "closed_forms.csv", "expected.csv")  # the files of `experiments/` that programs read


class BuildWithConfigs(build_py):
    """Copy the modules, and beside them the configs and the published values."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        package = Path(self.build_lib) / "ganfreeze"
        shutil.copytree("conf", package / "conf", dirs_exist_ok=True)
        for file in (file for name in EXPERIMENTS for file in Path("experiments").glob(f"*/{name}")):
            (package / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, package / file)


setup(cmdclass={"build_py": BuildWithConfigs})
