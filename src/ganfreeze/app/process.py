"""The state that TensorFlow and Keras keep for a whole process."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ganfreeze.app.settings import Settings
from ganfreeze.backend import tensorflow as tf
from ganfreeze.backend import traced_gradients
from ganfreeze.backend.machine import limit_gpu_memory
from ganfreeze.backend.ordered_sums import sum_gradients_in_order
from ganfreeze.types import Precision


def prepare_process(settings: Settings, keras: Any) -> None:
    """Set all state of the process that a run depends on. Call it before the networks are built.

    Eager or traced functions, TensorFlow's seed and the precision of Keras are the process's until the next call.
    Deterministic kernels stay on once they are, and GPU memory can be limited only before the GPU is used.
    """
    limit_gpu_memory(settings.gpu_memory)
    tf.config.run_functions_eagerly(settings.eager)
    if settings.deterministic:
        tf.config.experimental.enable_op_determinism()
        tf.config.experimental.enable_tensor_float_32_execution(False)  # GPUs would round factors to 10 bits
        sum_gradients_in_order()
    tf.random.set_seed(settings.seed)
    keras.backend.set_floatx(weights_dtype(settings.precision))
    keras.mixed_precision.set_global_policy(settings.precision)


@contextmanager
def process_restored(keras: Any) -> Iterator[None]:
    """Restore eager or traced functions and the precision of Keras in the end, for the code of somebody else.

    Meanwhile TensorFlow logs no more than warnings: in a notebook it would print each file that it writes. In the end
    it lets go of the graphs that it traced meanwhile.
    """
    eager, dtype = tf.config.functions_run_eagerly(), keras.backend.floatx()
    policy, level, gradients = keras.mixed_precision.global_policy(), tf.get_logger().level, traced_gradients.traced()
    tf.get_logger().setLevel(max(level, logging.WARNING))
    try:
        yield
    finally:
        traced_gradients.forget(kept=gradients)
        tf.get_logger().setLevel(level)
        tf.config.run_functions_eagerly(eager)
        keras.backend.set_floatx(dtype)
        keras.mixed_precision.set_global_policy(policy)


def weights_dtype(precision: Precision) -> str:
    """Return the type of weights and data: single precision also where networks compute in half precision."""
    return "float64" if precision == "float64" else "float32"
