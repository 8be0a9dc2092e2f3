"""Train a variant, or with -m a sweep of them: python src/train.py -m strategy=tape,compile"""

import sys

import hydra
from omegaconf import DictConfig

from ganfreeze.app import train
from ganfreeze.app.command_line import checked, require_writable_folder


@hydra.main(version_base="1.3", config_path="../conf", config_name="config")
def main(cfg: DictConfig) -> None:
    train.run(cfg)


if __name__ == "__main__":
    sys.argv = checked(sys.argv)
    require_writable_folder(sys.argv)
    main()
