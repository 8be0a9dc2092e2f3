"""Train a variant, or with -m a sweep of them: python src/train.py -m strategy=tape,compile"""

import re
import sys

import hydra
from omegaconf import DictConfig

from ganfreeze import app


@hydra.main(version_base="1.3", config_path="../conf", config_name="config")
def main(cfg: DictConfig) -> None:
    app.run(cfg)


if __name__ == "__main__":
    # Hydra reads a bare null as "nothing"; tracker=null is a word like any other.
    sys.argv = [re.sub(r"\bnull\b", "'null'", each) if each.startswith("tracker=") else each for each in sys.argv]
    main()
