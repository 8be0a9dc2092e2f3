"""Keras in its fastest documented form: a `train_step` override that `fit` runs on a tf.data pipeline.

`--mode keras3` uses Keras 3, and `--mode keras2` the package tf_keras.

The step is that of "GAN overriding `Model.train_step`", but with the algorithm of `protocol`. Everything else follows
the advice of `Model.compile` (steps_per_execution, jit_compile) and "Better performance with the tf.data API".

Source: keras.io/examples/generative/dcgan_overriding_train_step, keras.io/api/models/model_training_apis,
tensorflow.org/guide/data_performance.
"""

import importlib
import os
import platform
from typing import Any

import protocol

os.environ["KERAS_BACKEND"] = "tensorflow"
import tensorflow as tf

Tensor = Any  # a tf.Tensor; type checkers cannot see that class

# The steps in one call of the compiled function. For the mlp and batches of 32, 50 give 140 steps/s, and 1 gives 110 to
# 124. For the dcgan the number does not matter, because a step takes so long.
STEPS_PER_EXECUTION = 50


def mlp(keras: Any) -> tuple[Any, Any]:
    """Return the generator and the discriminator of architecture=mlp."""
    layers = keras.layers
    latent = x = layers.Input((protocol.LATENT,))
    for units in (256, 512, 1024):
        x = layers.BatchNormalization(momentum=0.8)(layers.LeakyReLU(protocol.SLOPE)(layers.Dense(units)(x)))
    fakes = layers.Reshape((28, 28, 1))(layers.Dense(28 * 28, activation="tanh")(x))
    images = layers.Input((28, 28, 1))
    x = layers.Flatten()(images)
    for units in (512, 256):
        x = layers.LeakyReLU(protocol.SLOPE)(layers.Dense(units)(x))
    return keras.Model(latent, fakes), keras.Model(images, layers.Dense(1)(x))


def dcgan(keras: Any) -> tuple[Any, Any]:
    """Return the generator and the discriminator of architecture=dcgan."""
    layers = keras.layers

    def kernel() -> dict[str, Any]:
        return {"kernel_initializer": keras.initializers.RandomNormal(0.0, protocol.DEVIATION)}

    latent = layers.Input((protocol.LATENT,))
    x = layers.Reshape((7, 7, 128))(layers.Dense(7 * 7 * 128, use_bias=False, **kernel())(latent))
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    x = layers.Conv2DTranspose(64, 4, 2, "same", use_bias=False, **kernel())(x)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    fakes = layers.Conv2DTranspose(1, 4, 2, "same", activation="tanh", **kernel())(x)
    images = layers.Input((28, 28, 1))
    x = layers.LeakyReLU(protocol.SLOPE)(layers.Conv2D(64, 4, 2, "same", **kernel())(images))
    x = layers.BatchNormalization(momentum=0.9)(layers.Conv2D(128, 4, 2, "same", **kernel())(x))
    logits = layers.Dense(1, **kernel())(layers.Flatten()(layers.LeakyReLU(protocol.SLOPE)(x)))
    return keras.Model(latent, fakes), keras.Model(images, logits)


def gan(keras: Any, options: protocol.Options) -> Any:
    """Return the model, to be trained by `fit` on batches of indices of images."""

    class Gan(keras.Model):
        def __init__(self, generator: Any, discriminator: Any) -> None:
            super().__init__()
            self.generator, self.discriminator = generator, discriminator
            self.latent_shape = (options.batch, protocol.LATENT)
            # The images are on the device as bytes, and the pipeline has indices: 4 % faster than a pipeline of images.
            self.images = tf.constant(options.images)

        def compile(self, d_optimizer: Any, g_optimizer: Any, loss_fn: Any, **arguments: Any) -> None:
            super().compile(**arguments)
            self.d_optimizer, self.g_optimizer, self.loss_fn = d_optimizer, g_optimizer, loss_fn
            self.d_optimizer.build(self.discriminator.trainable_variables)
            self.g_optimizer.build(self.generator.trainable_variables)
            self.d_loss, self.g_loss = keras.metrics.Mean("d_loss"), keras.metrics.Mean("g_loss")

        @property
        def metrics(self) -> list[Any]:
            return [self.d_loss, self.g_loss]

        def train_step(self, indices: Tensor) -> dict[str, Tensor]:
            real = tf.cast(tf.gather(self.images, indices), tf.float32) / 127.5 - 1
            tape, fakes = self.generate()
            self.d_loss.update_state(self.update_discriminator(real, fakes))
            if options.noise == "fresh":
                tape, fakes = self.generate()
            self.g_loss.update_state(self.update_generator(tape, fakes))
            return {metric.name: metric.result() for metric in self.metrics}

        def generate(self) -> tuple[tf.GradientTape, Tensor]:
            with tf.GradientTape() as tape:
                return tape, self.generator(tf.random.normal(self.latent_shape), training=True)

        def update_discriminator(self, real: Tensor, fakes: Tensor) -> Tensor:
            with tf.GradientTape() as tape:
                # The mlp could judge both in one pass, but that is no faster under XLA: with batches of 32, 138 steps/s
                # instead of 147.
                real_logits = self.discriminator(real, training=True)
                fake_logits = self.discriminator(fakes, training=True)
                loss = self.loss_fn(tf.ones_like(real_logits), real_logits)
                loss += self.loss_fn(tf.zeros_like(fake_logits), fake_logits)
            weights = self.discriminator.trainable_variables
            self.d_optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
            return loss

        def update_generator(self, tape: tf.GradientTape, fakes: Tensor) -> Tensor:
            with tape:
                logits = self.discriminator(fakes, training=True)
                loss = self.loss_fn(tf.ones_like(logits), logits)
            weights = self.generator.trainable_variables
            self.g_optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
            return loss

    return Gan(*{"mlp": mlp, "dcgan": dcgan}[options.architecture](keras))


def main() -> None:
    """Build and compile the model and the pipeline, and serve."""
    options = protocol.options(modes=("keras3", "keras2"))
    keras = importlib.import_module({"keras3": "keras", "keras2": "tf_keras"}[options.mode])
    device = "gpu" if tf.config.list_physical_devices("GPU") else "cpu"
    model = gan(keras, options)
    adams = [keras.optimizers.Adam(protocol.RATE, protocol.BETA1, protocol.BETA2, protocol.EPSILON) for _ in range(2)]
    model.compile(
        *adams,
        keras.losses.BinaryCrossentropy(from_logits=True),
        steps_per_execution=STEPS_PER_EXECUTION,
        # With XLA the mlp takes 140 steps/s with batches of 32, instead of 95. But on a CPU the dcgan takes 0.8 steps/s
        # with batches of 64, instead of 15.
        jit_compile=options.architecture == "mlp" or device == "gpu",
    )
    examples = len(options.images)
    indices = tf.data.Dataset.range(examples).shuffle(examples).repeat()
    indices = indices.batch(options.batch, drop_remainder=True).prefetch(STEPS_PER_EXECUTION)
    # Autotune is off: there is nothing here to tune, and it makes `fit` slower. `fit` would end only when the tuner's
    # thread wakes from its sleep. That sleep doubles, starting at 10 ms, so `fit` took 2.55 s or 5.11 s for 2.1 s of
    # work.
    pipeline_options = tf.data.Options()
    pipeline_options.autotune.enabled = False
    indices = indices.with_options(pipeline_options)

    def train(steps: int) -> tuple[float, float]:
        # This uses `take`, because Keras 3 rounds steps_per_epoch up to a multiple of steps_per_execution.
        history = model.fit(indices.take(steps), verbose=0).history
        return float(history["d_loss"][-1]), float(history["g_loss"][-1])

    def parameters(network: Any) -> int:
        return sum(int(tf.size(variable)) for variable in network.trainable_variables)

    versions = {"python": platform.python_version(), "tensorflow": tf.__version__, "keras": keras.__version__}
    counts = parameters(model.generator), parameters(model.discriminator)
    protocol.serve(f"keras_fit {options.mode}", versions, device, counts, train)


if __name__ == "__main__":
    main()
