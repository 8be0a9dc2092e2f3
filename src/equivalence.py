"""Certify whether variants are the same algorithm: python src/equivalence.py a=tape b=compile"""

import sys

import hydra
from omegaconf import DictConfig

from ganfreeze.app import equivalence
from ganfreeze.app.command_line import checked


@hydra.main(version_base="1.3", config_path="../conf", config_name="equivalence")
def main(cfg: DictConfig) -> None:
    equivalence.run(cfg)


if __name__ == "__main__":
    sys.argv = checked(sys.argv)
    main()
