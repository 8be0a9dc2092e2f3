"""Bring to MLflow what did not reach it while runs trained: python src/sync.py"""

import sys

import hydra
from omegaconf import DictConfig

from ganfreeze.app import sync
from ganfreeze.app.command_line import checked


@hydra.main(version_base="1.3", config_path="../conf", config_name="sync")
def main(cfg: DictConfig) -> None:
    sync.run(cfg)


if __name__ == "__main__":
    sys.argv = checked(sys.argv)
    main()
