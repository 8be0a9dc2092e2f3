"""Draw samples from a finished run: python src/sample.py run=RUN_ID output=samples.png"""

import hydra
from omegaconf import DictConfig

from ganfreeze import app


@hydra.main(version_base="1.3", config_path="../conf", config_name="sample")
def main(cfg: DictConfig) -> None:
    app.sample(cfg)


if __name__ == "__main__":
    main()
