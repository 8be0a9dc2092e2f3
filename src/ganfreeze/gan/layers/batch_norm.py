"""BatchNormalization by the whole batch, also where several devices share it."""

from typing import Any

from ganfreeze.backend import tensorflow as tf
from ganfreeze.types import Tensor


def batch_norm(keras: Any, **options: Any) -> Any:
    """Return a layer `BatchNormalization(**options)` of either Keras.

    Where it is made in the scope of several devices, each of them normalizes by mean and variance of the whole batch
    (`synchronized=True` of Keras), so the layer computes what it computes on one device.
    """
    devices = tf.distribute.get_strategy().num_replicas_in_sync
    if devices == 1:
        return keras.layers.BatchNormalization(**options)
    if keras.__name__ == "keras":
        return keras.layers.BatchNormalization(synchronized=True, **options)

    class BatchNormalization(keras.layers.BatchNormalization):
        """That of Keras 2, with the moving variance of its fused kernel, which images have on one device.

        This kernel adds v N / (N - 1) to the moving variance, not v, for a variance v of N values; not in double
        precision.
        """

        def call(self, inputs: Tensor, training: bool | None = None, mask: Tensor | None = None) -> Tensor:
            before = tf.convert_to_tensor(self.moving_variance)
            outputs = super().call(inputs, training=training, mask=mask)
            if training is True and self.trainable and len(inputs.shape) == 4 and inputs.dtype != tf.float64:
                added = tf.convert_to_tensor(self.moving_variance) - self.momentum * before
                count = devices * tf.size(inputs) // inputs.shape[-1]
                self.moving_variance.assign_add(added / tf.cast(count - 1, added.dtype))
            return outputs

    return BatchNormalization(synchronized=True, **options)
