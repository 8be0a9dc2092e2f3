"""Hold strategies against the Dirac-GAN's published figures: python src/dynamics.py strategies=[tape,train_step]"""

import sys

import hydra
from omegaconf import DictConfig

from ganfreeze import app
from ganfreeze.app import dynamics


@hydra.main(version_base="1.3", config_path="../conf", config_name="dynamics")
def main(cfg: DictConfig) -> None:
    dynamics.run(cfg)


if __name__ == "__main__":
    sys.argv = app.quoted(sys.argv)
    main()
