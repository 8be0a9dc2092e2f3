"""Measure who moves when, for each mechanism, Keras and mode: python src/freeze_matrix.py"""

import sys

import hydra
from omegaconf import DictConfig

from ganfreeze.app import freeze_matrix
from ganfreeze.app.command_line import checked


@hydra.main(version_base="1.3", config_path="../conf", config_name="freeze_matrix")
def main(cfg: DictConfig) -> None:
    freeze_matrix.run(cfg)


if __name__ == "__main__":
    sys.argv = checked(sys.argv)
    main()
