"""The machine and its GPUs."""

import pytest

from ganfreeze.errors import BadInput


class TwoGpus:
    """Two GPUs as TensorFlow lists them. They record what memory growth and limits are set."""

    def __init__(self, monkeypatch, error=None):
        """`error` is raised when memory growth is set."""
        from ganfreeze.backend import tensorflow as tf

        self.growing, self.limits, self._error = [], {}, error
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["gpu0", "gpu1"])
        monkeypatch.setattr(tf.config, "get_logical_device_configuration", self.limits.get)
        monkeypatch.setattr(tf.config, "set_logical_device_configuration", self._limit)
        monkeypatch.setattr(tf.config.experimental, "get_memory_growth", lambda gpu: gpu in self.growing)
        monkeypatch.setattr(tf.config.experimental, "set_memory_growth", self._grow)

    def _grow(self, gpu, enable):
        if self._error:
            raise self._error
        self.growing.append(gpu)

    def _limit(self, gpu, devices):
        self.limits[gpu] = [device.memory_limit for device in devices]


def test_gpu_memory_grows_as_needed_or_is_limited(monkeypatch):
    from ganfreeze.backend import machine

    gpus = TwoGpus(monkeypatch)
    for _ in range(2):
        machine.limit_gpu_memory(None)
    assert (gpus.growing, gpus.limits) == (["gpu0", "gpu1"], {})
    gpus = TwoGpus(monkeypatch)
    for _ in range(2):
        machine.limit_gpu_memory(4096)
    assert (gpus.growing, gpus.limits) == ([], {"gpu0": [4096], "gpu1": [4096]})
    gpus = TwoGpus(monkeypatch, RuntimeError("Physical devices cannot be modified after being initialized"))
    machine.limit_gpu_memory(None)
    assert gpus.growing == []


def test_as_many_gpus_as_there_are(monkeypatch):
    from ganfreeze.backend import machine

    gpus = TwoGpus(monkeypatch)
    machine.prepare_devices(2)
    assert gpus.limits == {}, "the processor is not divided"
    with pytest.raises(BadInput, match=r"devices=3: TensorFlow sees 2 GPUs here; devices=2 is the most"):
        machine.prepare_devices(3)


def test_the_machine_is_described():
    from ganfreeze.backend import machine

    description = machine.description()
    assert set(description) == {"processor", "cores", "threads", "memory", "gpus", "system", "tensorflow"}
    assert all(isinstance(value, str) and value for value in description.values())
    assert int(description["cores"]) == machine.cores() >= 1
