"""The composition root: the only package that sees Hydra or a config.

One file for each program in `src/`: train, evaluate, sample, freeze_matrix, equivalence, dynamics. They share, in the
order in which a config passes through: command_line, config (with settings and validation), process, build, execution.
"""
