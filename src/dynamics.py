"""Hold strategies against the Dirac-GAN's published dynamics: python src/dynamics.py strategies=[tape,train_step]"""

import sys

import hydra
from omegaconf import DictConfig

from ganfreeze.app import dynamics
from ganfreeze.app.command_line import checked


@hydra.main(version_base="1.3", config_path="../conf", config_name="dynamics")
def main(cfg: DictConfig) -> None:
    dynamics.run(cfg)


if __name__ == "__main__":
    sys.argv = checked(sys.argv)
    main()
