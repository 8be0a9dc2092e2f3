"""Evaluate a finished run again: python src/evaluate.py run=RUN_ID evaluator.samples=10000 samples_seeds=5"""

import sys

import hydra
from omegaconf import DictConfig

from ganfreeze.app import evaluate
from ganfreeze.app.command_line import checked


@hydra.main(version_base="1.3", config_path="../conf", config_name="evaluate")
def main(cfg: DictConfig) -> None:
    evaluate.run(cfg)


if __name__ == "__main__":
    sys.argv = checked(sys.argv)
    main()
