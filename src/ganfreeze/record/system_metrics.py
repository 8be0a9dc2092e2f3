"""Measure the machine while a run trains: MLflow's own monitors of the processor, memory, disk, network and GPU."""

import contextlib
import threading
from collections.abc import Callable
from typing import Any

from ganfreeze.types import Metrics

_SECONDS = 2.0  # between two samples


class SystemMetrics:
    """A thread that samples the machine. `record` gets the metrics of each sample, named as MLflow names them."""

    def __init__(self, record: Callable[[Metrics], None]) -> None:
        self._record, self._monitors = record, []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="system metrics", daemon=True)

    def start(self) -> None:
        """Begin to sample."""
        from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
        from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
        from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
        from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor

        self._monitors: list[Any] = [CPUMonitor(), DiskMonitor(), NetworkMonitor()]
        with contextlib.suppress(Exception):  # of NVIDIA's library, or there is none: no GPU is measured then
            self._monitors.append(GPUMonitor())
        self._thread.start()

    def stop(self) -> None:
        """Record a last sample: a run of two seconds has no other."""
        if self._thread.is_alive():
            self._ended.set()
            self._thread.join()

    def _work(self) -> None:
        while not self._ended.is_set():
            self._ended.wait(_SECONDS)
            metrics = {}
            for monitor in self._monitors:
                monitor.collect_metrics()
                metrics |= {f"system/{name}": float(value) for name, value in monitor.aggregate_metrics().items()}
                monitor.clear_metrics()
            self._record(metrics)
