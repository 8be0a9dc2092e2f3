"""Whole GANs as people write them: the question's class, keras.io's DCGAN, and three faulty copies of the latter."""

import numpy as np
import tensorflow as tf


def question(keras):
    """The class of the question, Keras-GAN's gan.py, at its own sizes: one Adam for both models."""
    return _question(keras, [keras.optimizers.Adam(0.0002, 0.5)] * 2)


def question_with_two_optimizers(keras):
    """The same class with an Adam for each model."""
    return _question(keras, [keras.optimizers.Adam(0.0002, 0.5) for _ in range(2)])


def train_step(keras):
    """keras.io's DCGAN: a model whose train_step has a tape and a variable list for each phase."""
    return _own_train_step(keras)


def train_step_with_all_weights(keras):
    """The generator's update gets the weights of both networks."""
    return _own_train_step(keras, all_weights=True)


def train_step_with_wrong_weights(keras):
    """The generator's update gets the discriminator's weights."""
    return _own_train_step(keras, wrong_weights=True)


def train_step_of_one_network(keras):
    """The discriminator's update is missing."""
    return _own_train_step(keras, only_generator=True)


def _question(keras, optimizers):
    layers, latent_dim, shape = keras.layers, 100, (28, 28, 1)
    image = layers.Input(shape)
    x = layers.Flatten()(image)
    for units in (512, 256):
        x = layers.LeakyReLU(0.2)(layers.Dense(units)(x))
    discriminator = keras.Model(image, layers.Dense(1, activation="sigmoid")(x))
    discriminator.compile(loss="binary_crossentropy", optimizer=optimizers[0], metrics=["accuracy"])
    noise = layers.Input((latent_dim,))
    x = noise
    for units in (256, 512, 1024):
        x = layers.BatchNormalization(momentum=0.8)(layers.LeakyReLU(0.2)(layers.Dense(units)(x)))
    generator = keras.Model(noise, layers.Reshape(shape)(layers.Dense(28 * 28, activation="tanh")(x)))
    z = layers.Input((latent_dim,))
    discriminator.trainable = False
    combined = keras.Model(z, discriminator(generator(z)))
    combined.compile(loss="binary_crossentropy", optimizer=optimizers[1])
    random, batch = np.random.default_rng(0), 32

    def train_discriminator():
        fakes = generator.predict(random.normal(0, 1, (batch, latent_dim)), verbose=0)
        discriminator.train_on_batch(random.uniform(-1, 1, (batch, *shape)), np.ones((batch, 1)))
        discriminator.train_on_batch(fakes, np.zeros((batch, 1)))

    def train_generator():
        combined.train_on_batch(random.normal(0, 1, (batch, latent_dim)), np.ones((batch, 1)))

    return generator, discriminator, combined, train_discriminator, train_generator


def _own_train_step(keras, *, all_weights=False, wrong_weights=False, only_generator=False):
    """Return the class of keras.io's DCGAN, with its layers on images of 8 x 8. Three faults can be chosen."""
    layers, latent_dim = keras.layers, 16

    class Gan(keras.Model):
        def __init__(self, discriminator, generator):
            super().__init__()
            self.discriminator, self.generator = discriminator, generator
            self.seed_generator = keras.random.SeedGenerator(1337) if hasattr(keras, "random") else None

        def compile(self, d_optimizer, g_optimizer, loss_fn):
            super().compile()
            self.d_optimizer, self.g_optimizer, self.loss_fn = d_optimizer, g_optimizer, loss_fn
            self.d_loss_metric, self.g_loss_metric = keras.metrics.Mean("d_loss"), keras.metrics.Mean("g_loss")

        @property
        def metrics(self):
            return [self.d_loss_metric, self.g_loss_metric]

        def latent(self, batch_size):
            if self.seed_generator:  # Keras 3
                return keras.random.normal((batch_size, latent_dim), seed=self.seed_generator)
            return tf.random.normal((batch_size, latent_dim))

        def train_step(self, real):
            batch_size = tf.shape(real)[0]
            both = tf.concat([self.generator(self.latent(batch_size)), real], 0)
            labels = tf.concat([tf.ones((batch_size, 1)), tf.zeros((batch_size, 1))], 0)
            labels += 0.05 * tf.random.uniform(tf.shape(labels))
            with tf.GradientTape() as tape:
                d_loss = self.loss_fn(labels, self.discriminator(both))
            weights = self.discriminator.trainable_weights
            if not only_generator:
                self.d_optimizer.apply_gradients(zip(tape.gradient(d_loss, weights), weights, strict=True))
            with tf.GradientTape() as tape:
                predictions = self.discriminator(self.generator(self.latent(batch_size)))
                g_loss = self.loss_fn(tf.zeros((batch_size, 1)), predictions)
            weights = self.generator.trainable_weights
            if all_weights:
                weights = self.trainable_weights
            if wrong_weights:  # the discriminator is updated on the generator's loss
                weights = self.discriminator.trainable_weights
            self.g_optimizer.apply_gradients(zip(tape.gradient(g_loss, weights), weights, strict=True))
            self.d_loss_metric.update_state(d_loss)
            self.g_loss_metric.update_state(g_loss)
            return {"d_loss": self.d_loss_metric.result(), "g_loss": self.g_loss_metric.result()}

    image = layers.Input((8, 8, 3))
    x = image
    for filters in (4, 8):
        x = layers.LeakyReLU(0.2)(layers.Conv2D(filters, 4, 2, padding="same")(x))
    x = layers.Dropout(0.2)(layers.Flatten()(x))
    discriminator = keras.Model(image, layers.Dense(1, activation="sigmoid")(x))
    noise = layers.Input((latent_dim,))
    x = layers.Reshape((2, 2, 8))(layers.Dense(2 * 2 * 8)(noise))
    for filters in (8, 4):
        x = layers.LeakyReLU(0.2)(layers.Conv2DTranspose(filters, 4, 2, padding="same")(x))
    generator = keras.Model(noise, layers.Conv2D(3, 5, padding="same", activation="sigmoid")(x))
    gan = Gan(discriminator, generator)
    gan.compile(keras.optimizers.Adam(1e-4), keras.optimizers.Adam(1e-4), keras.losses.BinaryCrossentropy())
    return gan
