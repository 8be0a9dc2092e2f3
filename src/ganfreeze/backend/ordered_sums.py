"""Sums of gradients in one order.

A tensor that is used several times has as many gradients, and TensorFlow adds them by one `AddN`. On a processor `AddN`
begins with whichever of them it may overwrite at that moment. So with three or more the last bit of the sum depends on
which operations have ended before. `enable_op_determinism` does not change that (TensorFlow 2.21). It happens in the
cross-entropy of TF-GAN's losses, whose logits are used three times.
"""

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from typing import Any

from ganfreeze.backend import tensorflow as tf
from ganfreeze.types import Tensor


@cache
def sum_gradients_in_order() -> None:
    """Let `tf.GradientTape` and `tf.gradients` add the gradients of a tensor from the first to the last.

    It holds for the whole process, and for all graphs that are traced from now on.
    """
    backprop: Any = import_module("tensorflow.python.eager.backprop")
    symbolic: Any = import_module("tensorflow.python.ops.gradients_util")
    of_tape, of_graph = backprop._aggregate_grads, symbolic._MultiDeviceAddN

    def add_of_tape(gradients: Sequence[Any]) -> Any:
        return _added(gradients) if _is_ordered(gradients) else of_tape(gradients)

    def add_of_graph(gradients: Sequence[Any], gradient_uid: Any) -> Any:
        return _added(gradients) if _is_ordered(gradients) else of_graph(gradients, gradient_uid)

    backprop.pywrap_tfe.TFE_Py_RegisterVSpace(backprop._default_vspace._replace(aggregate_fn=add_of_tape))
    symbolic._MultiDeviceAddN = add_of_graph


def _is_ordered(gradients: Sequence[Any]) -> bool:
    """Return whether an order matters (a + b is b + a) and is ours to choose."""
    return len(gradients) > 2 and all(isinstance(gradient, tf.Tensor) for gradient in gradients)


def _added(gradients: Sequence[Tensor]) -> Tensor:
    """Return the sum. Two additions would not do: TensorFlow's optimizer of graphs makes an `AddN` of them."""
    return tf.reduce_sum(tf.stack(gradients), 0)
