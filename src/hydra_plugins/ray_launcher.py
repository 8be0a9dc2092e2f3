"""A Hydra launcher that makes each run of a sweep a task of Ray, by Ray's launcher."""

import os
import socket

from omegaconf import DictConfig

from ganfreeze.errors import BadInput, one_line
from hydra_plugins.cluster_launcher import ClusterLauncher

_PATIENCE = 10.0  # seconds


class RayLauncher(ClusterLauncher):
    """Each run is a task of Ray. `ray` holds the arguments of `ray.init` and `ray.remote`."""

    def __init__(self, ray: DictConfig) -> None:
        super().__init__("hydra_plugins.hydra_ray_launcher.ray_launcher.RayLauncher", {"ray": ray})
        self._init, self._remote = ray.init, ray.remote

    @property
    def n_jobs(self) -> int:
        """How many jobs have room in the cluster at a time."""
        import ray

        return max(1, int(ray.cluster_resources().get("CPU", 1) / self.cores))

    @property
    def cores(self) -> float:
        """How many cores a job has."""
        return self._remote.get("num_cpus") or 1

    def connect(self) -> None:
        """Connect to the cluster before the engine does: its threads would all do so at once."""
        from hydra_plugins.hydra_ray_launcher._launcher_util import start_ray

        address = self._init.get("address") or os.environ.get("RAY_ADDRESS", "")
        try:
            if (place := address.partition(":"))[2].isdigit():  # Ray itself would look for it for minutes
                socket.create_connection((place[0], int(place[2])), _PATIENCE).close()
            start_ray(self._init)
        except Exception as error:
            why = f"there is no Ray cluster ({one_line(error, 200)})"
            raise BadInput(f"hydra.launcher.ray.init.address={address or 'null'}: {why}") from None
