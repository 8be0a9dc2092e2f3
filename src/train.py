"""Train a variant, or with -m a sweep of them: python src/train.py -m strategy=tape,compile"""

import sys

import hydra
from omegaconf import DictConfig

from ganfreeze import app


@hydra.main(version_base="1.3", config_path="../conf", config_name="config")
def main(cfg: DictConfig) -> None:
    app.run(cfg)


if __name__ == "__main__":
    sys.argv = app.quoted(sys.argv)
    main()
