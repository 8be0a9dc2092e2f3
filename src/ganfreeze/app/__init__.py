"""The composition root: the only package that sees Hydra or a config. It makes the parts, and joins them."""

from ganfreeze.app.sampling import sample
from ganfreeze.app.training import close_sweep, run, sweep_of
from ganfreeze.app.variant import WORDS, check, quoted

__all__ = ["WORDS", "check", "close_sweep", "quoted", "run", "sample", "sweep_of"]
