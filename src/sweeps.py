"""List sweeps with their state, cost and time left: python src/sweeps.py"""

import sys

import hydra
from omegaconf import DictConfig

from ganfreeze.app import sweeps
from ganfreeze.app.command_line import checked


@hydra.main(version_base="1.3", config_path="../conf", config_name="sweeps")
def main(cfg: DictConfig) -> None:
    sweeps.run(cfg)


if __name__ == "__main__":
    sys.argv = checked(sys.argv)
    main()
