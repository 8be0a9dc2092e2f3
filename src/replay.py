"""Run one step of a run again, and show its losses and gradients: python src/replay.py run=RUN step=5000"""

import sys

import hydra
from omegaconf import DictConfig

from ganfreeze.app import replay
from ganfreeze.app.command_line import checked


@hydra.main(version_base="1.3", config_path="../conf", config_name="replay")
def main(cfg: DictConfig) -> None:
    replay.run(cfg)


if __name__ == "__main__":
    sys.argv = checked(sys.argv)
    main()
