"""Draw samples from a finished run: python src/sample.py run=RUN_ID output=samples.png"""

import sys

import hydra
from omegaconf import DictConfig

from ganfreeze.app import sample
from ganfreeze.app.command_line import checked


@hydra.main(version_base="1.3", config_path="../conf", config_name="sample")
def main(cfg: DictConfig) -> None:
    sample.run(cfg)


if __name__ == "__main__":
    sys.argv = checked(sys.argv)
    main()
