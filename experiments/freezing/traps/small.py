"""The smallest networks that show each trap, and the two usual ways to train them: two compiled models, or a tape.

Every function takes a `keras`, which is the package `tf_keras` (Keras 2) or `keras` (Keras 3).
"""

import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf

LATENT, FEATURES = 4, 8


def generator(keras):
    """Return a generator, (batch, 4) to (batch, 8). It is made first, and from now on all random numbers are fixed."""
    keras.utils.set_random_seed(0)
    latent = keras.layers.Input((LATENT,))
    hidden = keras.layers.Dense(16, activation="relu")(latent)
    return keras.Model(latent, keras.layers.Dense(FEATURES, activation="tanh")(hidden), name="generator")


def discriminator(keras, *between, **options):
    """Return a discriminator, (batch, 8) to logits (batch, 1); `between` are layers before its last, `options` its."""
    example = keras.layers.Input((FEATURES,))
    x = keras.layers.Dense(16, activation="relu", **options)(example)
    for layer in between:
        x = layer(x)
    return keras.Model(example, keras.layers.Dense(1)(x), name="discriminator")


def compiled(keras, model):
    """Compile a model that returns logits, with Adam; return it."""
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(loss=loss, optimizer=keras.optimizers.Adam(1e-2))
    return model


def thawed(model):
    """Set the flag of a model, and so of its layers, to True; return the model."""
    model.trainable = True
    return model


def reloaded(keras, model):
    """Save a model and load it; return what was loaded."""
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model.keras")
        return keras.models.load_model(Path(folder) / "model.keras")


def combined(keras, generator, discriminator, **call):
    """Return the compiled model from latent vectors to the logits of their fakes."""
    latent = keras.layers.Input((LATENT,))
    return compiled(keras, keras.Model(latent, discriminator(generator(latent), **call), name="combined"))


def train_calls(generator, discriminator, combined):
    """Return the two calls of the usual loop, both with train_on_batch."""

    def train_discriminator(real, latent):
        discriminator.train_on_batch(real, np.ones((len(real), 1), np.float32))
        discriminator.train_on_batch(np.array(generator(latent)), np.zeros((len(latent), 1), np.float32))

    def train_generator(latent):
        combined.train_on_batch(latent, np.ones((len(latent), 1), np.float32))

    return train_discriminator, train_generator


def idiom(keras, generator, discriminator):
    """Return the GAN of the idiom: compile, freeze, compile, and never thaw."""
    compiled(keras, discriminator)
    discriminator.trainable = False
    both = combined(keras, generator, discriminator)
    return generator, discriminator, both, *train_calls(generator, discriminator, both)


def toggled(keras, generator, discriminator):
    """Return the GAN of the idiom, with the flag set before every batch."""
    return with_toggled_flag(*idiom(keras, generator, discriminator)[:3])


def with_toggled_flag(generator, discriminator, combined):
    """Return a GAN of two compiled models, with the discriminator's flag set before every batch."""
    train_discriminator, train_generator = train_calls(generator, discriminator, combined)

    def train_discriminator_thawed(real, latent):
        discriminator.trainable = True
        train_discriminator(real, latent)

    def train_generator_frozen(latent):
        discriminator.trainable = False
        train_generator(latent)

    return generator, discriminator, combined, train_discriminator_thawed, train_generator_frozen


def taped(keras, generator, discriminator, optimizers, *, frozen_gradients=None, judge=True, scale=False):
    """Return a GAN that two gradient tapes train; `optimizers` are the discriminator's and the generator's.

    With `frozen_gradients="zero"`, the optimizers get the frozen variables too, with gradients of zero. With "stopped"
    the discriminator phase differentiates by all variables, and tf.stop_gradient makes the generator's gradients zero.
    `judge` is the `training` of the discriminator in the generator phase. With `scale` the optimizers scale the loss,
    which has half precision.
    """
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    weights = discriminator.trainable_variables, generator.trainable_variables
    shared = optimizers[0] is optimizers[1]
    for number, optimizer in enumerate(optimizers):
        optimizer.build([*weights[0], *weights[1]] if shared or frozen_gradients else list(weights[number]))

    def descend(number, tape, value):
        optimizer, active, frozen = optimizers[number], weights[number], weights[1 - number]
        if frozen_gradients == "stopped" and number == 0:
            active = [*active, *frozen]
        gradients = [
            tf.zeros(variable.shape, variable.dtype) if gradient is None else gradient
            for gradient, variable in zip(tape.gradient(value, active), active, strict=True)
        ]
        if scale and hasattr(optimizer, "get_unscaled_gradients"):
            gradients = optimizer.get_unscaled_gradients(gradients)
        pairs = list(zip(gradients, active, strict=True))
        if frozen_gradients == "zero":
            pairs += [(tf.zeros(variable.shape, variable.dtype), variable) for variable in frozen]
        optimizer.apply_gradients(pairs)

    def scaled(number, value):
        if not scale:
            return value
        name = "get_scaled_loss" if keras.__name__ == "tf_keras" else "scale_loss"
        return getattr(optimizers[number], name)(tf.cast(value, tf.float16))

    @tf.function
    def train_discriminator(real, latent):
        with tf.GradientTape() as tape:
            real_logits = discriminator(real, training=True)
            fakes = generator(latent, training=True)
            fakes = tf.stop_gradient(fakes) if frozen_gradients == "stopped" else fakes
            fake_logits = discriminator(fakes, training=True)
            value = loss(tf.ones_like(real_logits), real_logits) + loss(tf.zeros_like(fake_logits), fake_logits)
            value = scaled(0, value)
        descend(0, tape, value)

    @tf.function
    def train_generator(latent):
        with tf.GradientTape() as tape:
            fake_logits = discriminator(generator(latent, training=True), training=judge)
            value = scaled(1, loss(tf.ones_like(fake_logits), fake_logits))
        descend(1, tape, value)

    return (
        generator,
        discriminator,
        {"discriminator": optimizers[0], "generator": optimizers[1]},
        lambda real, latent: train_discriminator(real, latent),
        lambda latent: train_generator(latent),
    )
