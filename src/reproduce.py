"""Run a recorded run again, and compare every metric and weight: python src/reproduce.py run=RUN_ID"""

import sys

import hydra
from omegaconf import DictConfig

from ganfreeze.app import reproduce
from ganfreeze.app.command_line import checked


@hydra.main(version_base="1.3", config_path="../conf", config_name="reproduce")
def main(cfg: DictConfig) -> None:
    reproduce.run(cfg)


if __name__ == "__main__":
    sys.argv = checked(sys.argv)
    main()
