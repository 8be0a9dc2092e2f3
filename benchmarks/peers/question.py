"""The training loop of the original question, as its code has it.

It uses Keras 2, `predict`, three calls of `train_on_batch`, and a `trainable = False` that is never set back to True.
Three things differ from the source: the class of the optimizer (see `Gan`), no step prints a line, and with
`--architecture dcgan` the networks are those of this project.

The source also differs from the other peers, and this loop keeps that: it draws noise twice a step whatever `--noise`
says, it draws images with repetition, and the discriminator learns from fakes that the generator makes in inference
mode.

Source: eriklindernoren/Keras-GAN, gan/gan.py.
"""

import platform
from typing import Any

import numpy as np
import protocol
import tensorflow as tf
import tf_keras as keras
from tf_keras.layers import (
    BatchNormalization,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Flatten,
    Input,
    LeakyReLU,
    ReLU,
    Reshape,
)


class Gan:
    """The discriminator, and the combined model with the discriminator frozen; each is compiled once."""

    def __init__(self, options: protocol.Options) -> None:
        generator, discriminator = {"mlp": mlp, "dcgan": dcgan}[options.architecture]()
        # One optimizer for all, as in the source. Since Keras 2.11 Adam refuses the variables of a second model. The
        # source was written for an older Adam, which is now called legacy.
        optimizer = keras.optimizers.legacy.Adam(0.0002, 0.5)
        self.parameters = _parameters(generator), _parameters(discriminator)
        self._x_train = options.images / 127.5 - 1.0
        self._batch_size = options.batch
        self._generator, self._discriminator = generator, discriminator
        self._discriminator.compile(loss="binary_crossentropy", optimizer=optimizer, metrics=["accuracy"])
        z = Input(shape=(protocol.LATENT,))
        self._discriminator.trainable = False
        self._combined = keras.Model(z, self._discriminator(self._generator(z)))
        self._combined.compile(loss="binary_crossentropy", optimizer=optimizer)

    def train(self, steps: int) -> tuple[float, float]:
        """Take `steps` steps, and return the mean losses: the discriminator's (real plus fake) and the generator's."""
        valid, fake = np.ones((self._batch_size, 1)), np.zeros((self._batch_size, 1))
        losses = []
        for _ in range(steps):
            idx = np.random.randint(0, self._x_train.shape[0], self._batch_size)
            noise = np.random.normal(0, 1, (self._batch_size, protocol.LATENT))
            gen_imgs = self._generator.predict(noise, verbose=0)
            d_loss_real = self._discriminator.train_on_batch(self._x_train[idx], valid)
            d_loss_fake = self._discriminator.train_on_batch(gen_imgs, fake)
            noise = np.random.normal(0, 1, (self._batch_size, protocol.LATENT))
            g_loss = self._combined.train_on_batch(noise, valid)
            losses.append((d_loss_real[0] + d_loss_fake[0], g_loss))
        discriminator_loss, generator_loss = np.mean(losses, 0)
        return float(discriminator_loss), float(generator_loss)


def mlp() -> tuple[Any, Any]:
    """Return the generator and the discriminator of gan.py; the discriminator ends with a sigmoid."""
    generator = keras.Sequential([Input((protocol.LATENT,))])
    for units in (256, 512, 1024):
        generator.add(Dense(units))
        generator.add(LeakyReLU(alpha=0.2))
        generator.add(BatchNormalization(momentum=0.8))
    generator.add(Dense(28 * 28, activation="tanh"))
    generator.add(Reshape((28, 28, 1)))
    discriminator = keras.Sequential([Input((28, 28, 1)), Flatten()])
    for units in (512, 256):
        discriminator.add(Dense(units))
        discriminator.add(LeakyReLU(alpha=0.2))
    discriminator.add(Dense(1, activation="sigmoid"))
    return generator, discriminator


def dcgan() -> tuple[Any, Any]:
    """Return the generator and the discriminator of architecture=dcgan, with a sigmoid after the discriminator."""

    def kernel() -> dict[str, Any]:
        return {"kernel_initializer": keras.initializers.RandomNormal(0.0, protocol.DEVIATION)}

    generator = keras.Sequential(
        [
            Input((protocol.LATENT,)),
            Dense(7 * 7 * 128, use_bias=False, **kernel()),
            Reshape((7, 7, 128)),
            BatchNormalization(momentum=0.9),
            ReLU(),
            Conv2DTranspose(64, 4, 2, "same", use_bias=False, **kernel()),
            BatchNormalization(momentum=0.9),
            ReLU(),
            Conv2DTranspose(1, 4, 2, "same", activation="tanh", **kernel()),
        ]
    )
    discriminator = keras.Sequential(
        [
            Input((28, 28, 1)),
            Conv2D(64, 4, 2, "same", **kernel()),
            LeakyReLU(alpha=0.2),
            Conv2D(128, 4, 2, "same", **kernel()),
            BatchNormalization(momentum=0.9),
            LeakyReLU(alpha=0.2),
            Flatten(),
            Dense(1, activation="sigmoid", **kernel()),
        ]
    )
    return generator, discriminator


def _parameters(network: Any) -> int:
    """Return the number of trainable parameters."""
    return sum(int(tf.size(variable)) for variable in network.trainable_variables)


def main() -> None:
    """Build the networks, and serve."""
    gan = Gan(protocol.options())
    versions = {"python": platform.python_version(), "tensorflow": tf.__version__, "keras": keras.__version__}
    device = "gpu" if tf.config.list_physical_devices("GPU") else "cpu"
    protocol.serve("question", versions, device, gan.parameters, gan.train)


if __name__ == "__main__":
    main()
