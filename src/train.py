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
    # Hydra takes a bare null for no value, and a number for no name; here, after a group, each is a word.
    for number, argument in enumerate(sys.argv):
        if argument.partition("=")[0] in app.WORDS:
            sys.argv[number] = re.sub(r"(?<=[=,])(null|\d+)(?=,|$)", r"'\1'", argument)
    main()
