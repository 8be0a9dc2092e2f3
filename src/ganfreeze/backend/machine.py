"""The machine that a run is measured on: its processor, cores, memory and GPUs."""

import os
import platform
from collections.abc import Mapping
from pathlib import Path

import psutil

from ganfreeze.backend import tensorflow as tf
from ganfreeze.errors import BadInput

THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def description() -> Mapping[str, str]:
    """Return what the speed of a run depends on, as text.

    That is the processor, the cores that this process may use, the numbers of threads that the environment sets ("as
    many" as cores if it sets none), memory, GPUs, the system, and the versions of Python and TensorFlow.
    """
    return {
        "processor": _processor(),
        "cores": str(cores()),
        "threads": " ".join(f"{name}={os.environ[name]}" for name in THREADS if name in os.environ) or "as many",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "gpus": ", ".join(tf.config.experimental.get_device_details(gpu)["device_name"] for gpu in gpus()) or "none",
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "tensorflow": tf.version.VERSION,
    }


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpus() -> list[object]:
    """Return the GPUs that TensorFlow sees."""
    return tf.config.list_physical_devices("GPU")


def limit_gpu_memory(megabytes: int | None) -> None:
    """Let TensorFlow take this much memory of each GPU and no more, so that several runs can share one.

    If `megabytes` is None, TensorFlow takes memory as it needs it. Call this before anything is put on a GPU: later it
    changes nothing.
    """
    for gpu in gpus():
        if tf.config.get_logical_device_configuration(gpu) or tf.config.experimental.get_memory_growth(gpu):
            continue
        try:
            if megabytes is None:
                tf.config.experimental.set_memory_growth(gpu, True)
            else:
                limit = tf.config.LogicalDeviceConfiguration(memory_limit=megabytes)
                tf.config.set_logical_device_configuration(gpu, [limit])
        except RuntimeError:  # the GPU is already in use
            return


def prepare_devices(count: int) -> None:
    """Make sure that this process has `count` devices: as many GPUs, or logical devices of the processor without any.

    Call this before TensorFlow computes anything: it then fixes its devices. With 1 nothing changes.

    Raises:
        BadInput: there are fewer GPUs, or TensorFlow has fixed fewer logical devices already.
    """
    if count == 1:
        return
    if found := len(gpus()):
        if found < count:
            raise BadInput(
                f"devices={count}: TensorFlow sees {found} GPU{'s' * (found > 1)} here; devices={found} is the most"
            )
        return
    processor = tf.config.list_physical_devices("CPU")[0]
    if len(tf.config.get_logical_device_configuration(processor) or [None]) >= count:
        return
    try:
        tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * count)
    except RuntimeError:
        raise BadInput(
            f"devices={count}: TensorFlow has already computed in this process, with fewer devices; start another, or "
            "begin with the most devices"
        ) from None


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open() as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
