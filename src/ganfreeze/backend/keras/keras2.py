"""Keras 2, which lives on as the package tf_keras."""

from types import ModuleType
from typing import Any

from ganfreeze.backend import tensorflow as tf

_FOREVER = 2**62


def load() -> ModuleType:
    """Return the module `tf_keras`."""
    tf.version  # noqa: B018  # TensorFlow first, so that its start-up noise is held back
    import tf_keras

    return tf_keras


class Batches:
    """`train_on_batch` of a compiled model, again and again, for batches of one shape.

    The first call is Keras' own, which reads what `compile()` remembered, and traces the train function. From then on
    that function is called alone, on an iterator that batches are pushed into: what `train_on_batch` does around it, a
    data set made anew, flags set and put back, metrics reset, and results fetched, takes longer than a small batch.
    """

    def __init__(self, model: Any) -> None:
        self._model, self._begun, self._queue = model, False, None

    def train(self, examples: Any, labels: Any) -> None:
        """Train on one batch: tensors, or a list of them, and labels."""
        if not self._begun or tf.config.functions_run_eagerly():  # then flags count at every batch
            self._model.train_on_batch(examples, labels, return_dict=True)
            self._begun = True
            return
        if self._queue is None:
            self._queue = self._open(examples, labels)
        self._queue.enqueue(tf.nest.flatten((examples, labels)))
        self._model.train_function(self._iterator)

    def _open(self, examples: Any, labels: Any) -> Any:
        batch = (tuple(examples) if isinstance(examples, list) else examples), labels
        tensors = tf.nest.flatten(batch)
        queue = tf.queue.FIFOQueue(1, [each.dtype for each in tensors], [each.shape for each in tensors])
        pushed = tf.data.Dataset.range(_FOREVER).map(
            lambda _: tf.nest.pack_sequence_as(batch, tf.nest.flatten(queue.dequeue()))
        )
        options = tf.data.Options()
        options.autotune.enabled = (
            False  # its thread sleeps for up to a minute, and whoever lets go of the iterator waits
        )
        options.experimental_optimization.inject_prefetch = False  # it would wait for a batch that never comes
        self._iterator = iter(pushed.with_options(options))
        return queue
