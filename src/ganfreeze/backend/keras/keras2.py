"""Keras 2, which lives on as the package tf_keras."""

from types import ModuleType
from typing import Any

from ganfreeze.backend import tensorflow as tf

_FOREVER = 2**62  # batches


def load() -> ModuleType:
    """Return the module `tf_keras`."""
    tf.version  # noqa: B018  # TensorFlow first: it is imported without its start-up messages
    import tf_keras

    return tf_keras


class BatchTrainer:
    """The batches that a compiled model is trained on, one after another; all have the same shapes.

    The first call is `train_on_batch` of Keras. It reads what `compile()` remembered, and traces the train function.
    Each later call runs only this train function, on an iterator that batches are pushed into. What `train_on_batch`
    does around it takes longer than a small batch: it makes a new data set, sets and restores the flags, resets metrics
    and fetches results.

    When functions run eagerly, every call is `train_on_batch`: the train function then reads the flags at every batch.
    """

    def __init__(self, model: Any) -> None:
        self._model, self._begun, self._queue = model, False, None

    def train(self, examples: Any, labels: Any) -> None:
        """Train on one batch. `examples` is a tensor or a list of tensors."""
        if not self._begun or tf.config.functions_run_eagerly():
            self._model.train_on_batch(examples, labels, return_dict=True)
            self._begun = True
            return
        if self._queue is None:
            self._queue = self._open(examples, labels)
        self._queue.enqueue(tf.nest.flatten((examples, labels)))
        self._model.train_function(self._iterator)

    def _open(self, examples: Any, labels: Any) -> Any:
        """Return a queue for batches like this one. `self._iterator` yields what is pushed into it."""
        batch = (tuple(examples) if isinstance(examples, list) else examples), labels
        tensors = tf.nest.flatten(batch)
        queue = tf.queue.FIFOQueue(1, [tensor.dtype for tensor in tensors], [tensor.shape for tensor in tensors])
        batches = tf.data.Dataset.range(_FOREVER).map(
            lambda _: tf.nest.pack_sequence_as(batch, tf.nest.flatten(queue.dequeue()))
        )
        options = tf.data.Options()
        # The tuner's thread sleeps for up to a minute, and the end of the iterator would wait for it.
        options.autotune.enabled = False
        options.experimental_optimization.inject_prefetch = False  # it would wait for a batch that never comes
        self._iterator = iter(batches.with_options(options))
        return queue
