"""A Hydra launcher that makes each run of a sweep a job of Slurm, by submitit's launcher."""

import shutil
from typing import Any

from ganfreeze.app.validation import parse_options
from ganfreeze.errors import BadInput
from ganfreeze.types import Count
from hydra_plugins.cluster_launcher import ClusterLauncher


class SlurmLauncher(ClusterLauncher):
    """Each run is a job of Slurm; at most `array_parallelism` wait or run there. The other options are submitit's."""

    def __init__(self, array_parallelism: Count, **options: Any) -> None:
        given = {"array_parallelism": array_parallelism}
        try:
            parse_options("hydra.launcher", SlurmLauncher, given, given_by_app=("options",))
        except BadInput as error:
            raise SystemExit(f"ganfreeze: nothing was started; {error}") from None
        super().__init__("hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher", options)
        self._n_jobs = array_parallelism

    @property
    def n_jobs(self) -> int:
        """How many jobs Slurm has at a time."""
        return self._n_jobs

    @property
    def cores(self) -> float:
        """How many cores a job has."""
        return self._options.get("cpus_per_task") or 1

    def connect(self) -> None:
        """Raise BadInput where there is no Slurm."""
        if shutil.which("srun") is None:
            raise BadInput("hydra/launcher=submitit_slurm: there is no srun here; start where Slurm's commands are")
