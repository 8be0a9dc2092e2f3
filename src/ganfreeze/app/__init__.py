"""The composition root: the only package that sees Hydra or a config. It makes the parts, and joins them."""

from ganfreeze.app.config import GROUPS, check, quoted
from ganfreeze.app.sample import sample
from ganfreeze.app.train import close_sweep, run, sweep_of

__all__ = ["GROUPS", "check", "close_sweep", "quoted", "run", "sample", "sweep_of"]
