"""The composition root: of all rooms, only this one sees Hydra or a config.

One file for each program in `src/`: train, evaluate, sample, report, sweeps, sync, reproduce, replay, freeze_matrix,
equivalence, dynamics. The other files are shared; programs starts each program. A command line passes through
command_line (with unknown_keys, help and completion, which say what there is). A config passes through parse_config
(with settings and validation), process, training_setup and execution. compose and recorded_runs compose configs inside
a program.
"""
