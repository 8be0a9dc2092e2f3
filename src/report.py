"""Report on a sweep, with verdicts: python src/report.py sweep=last"""

import sys

import hydra
from omegaconf import DictConfig

from ganfreeze.app import report
from ganfreeze.app.command_line import checked, report_arguments


@hydra.main(version_base="1.3", config_path="../conf", config_name="report")
def main(cfg: DictConfig) -> None:
    report.run(cfg)


if __name__ == "__main__":
    sys.argv = checked(report_arguments(sys.argv))
    main()
