"""The devices of a run: one, or several that share every batch."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from ganfreeze.backend import machine
from ganfreeze.backend import tensorflow as tf
from ganfreeze.types import Tensor, TensorMetrics


class Devices(ABC):
    """The devices that a phase runs on. Each of `count` devices takes an equal share of the batch.

    The shares are consecutive: the first device takes the first examples. So several devices train as one device does
    on the whole batch, up to rounding.
    """

    count: int

    @abstractmethod
    def scope(self) -> AbstractContextManager:
        """Return the context in which variables are made: each device then has its own copy of each variable."""

    @abstractmethod
    def run(self, phase: Callable[..., TensorMetrics], *batch: Tensor) -> TensorMetrics:
        """Run a phase on every device, on its share of the batch. Return the mean of each metric over the devices."""

    @abstractmethod
    def share(self, loss: Tensor) -> Tensor:
        """Return this device's part of the mean loss over the whole batch; `loss` is the mean over its own share.

        Optimizers add up the gradients of all devices. The sum of these parts is the loss of the whole batch.
        """


class OneDevice(Devices):
    """One device, which takes the whole batch. TensorFlow chooses it."""

    count = 1

    def scope(self) -> AbstractContextManager:
        return nullcontext()

    def run(self, phase: Callable[..., TensorMetrics], *batch: Tensor) -> TensorMetrics:
        return phase(*batch)

    def share(self, loss: Tensor) -> Tensor:
        return loss


class MirroredDevices(Devices):
    """Several devices, by `tf.distribute.MirroredStrategy`: GPUs, or logical devices of the processor.

    If kernels have to be deterministic, gradients are added up on one device, in the order of the devices. Otherwise
    TensorFlow chooses how GPUs add them up, which is by NCCL.
    """

    def __init__(self, count: int, *, deterministic: bool) -> None:
        """The process must be prepared for `count` devices: see `machine.prepare_devices`."""
        kind, self.count = "GPU" if machine.gpus() else "CPU", count
        in_order = deterministic or kind == "CPU"
        self._strategy = tf.distribute.MirroredStrategy(
            [f"{kind}:{number}" for number in range(count)],
            cross_device_ops=tf.distribute.ReductionToOneDevice() if in_order else None,
        )

    def scope(self) -> AbstractContextManager:
        return self._strategy.scope()

    def run(self, phase: Callable[..., TensorMetrics], *batch: Tensor) -> TensorMetrics:
        with self._strategy.scope():
            metrics = self._strategy.run(phase, [self._shares(tensor) for tensor in batch])
            return {name: self._strategy.reduce("mean", value, axis=None) for name, value in metrics.items()}

    def share(self, loss: Tensor) -> Tensor:
        return loss / self.count

    def _shares(self, tensor: Tensor) -> Any:
        shares = tf.split(tensor, self.count)
        return self._strategy.experimental_distribute_values_from_function(
            lambda context: shares[context.replica_id_in_sync_group]
        )


def devices_of(count: int, *, deterministic: bool) -> Devices:
    """Return this many devices. Raises BadInput if this process cannot have them: see `machine.prepare_devices`."""
    if count == 1:
        return OneDevice()
    machine.prepare_devices(count)
    return MirroredDevices(count, deterministic=deterministic)


def sum_over_devices(value: Tensor) -> Tensor:
    """Return the sum of a value over the devices that run the present phase, on each of them."""
    replica = tf.distribute.get_replica_context()
    return value if replica.num_replicas_in_sync == 1 else replica.all_reduce("sum", value)


def own_rows(draw: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    """Return this device's `rows` rows of `draw(count)`, which draws the rows of the whole batch."""
    replica = tf.distribute.get_replica_context()
    drawn = draw(replica.num_replicas_in_sync * rows)
    if replica.num_replicas_in_sync == 1:
        return drawn
    first = replica.replica_id_in_sync_group * rows
    return drawn[first : first + rows]
