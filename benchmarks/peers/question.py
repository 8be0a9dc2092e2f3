"""The loop of the original question, as it is written: Keras 2, `predict`, three calls of `train_on_batch`, and a
`trainable = False` that is never taken back.

Three things differ from the source: the optimizer's class (see `Gan`), no step prints a line, and the networks are the
project's where the dcgan is asked for. Whatever `--noise` says, noise is drawn twice a step; images are drawn with
repetition, and the discriminator learns from fakes of the generator in inference mode. That is how it is written.

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
    """Both networks, compiled once, the combined model with the discriminator frozen."""

    def __init__(self, chosen: protocol.Options) -> None:
        generator, discriminator = {"mlp": mlp, "dcgan": dcgan}[chosen.architecture]()
        # One optimizer for all, as written. Since Keras 2.11 Adam refuses the variables of a second model; the Adam
        # that it was when this was written is now called legacy.
        optimizer = keras.optimizers.legacy.Adam(0.0002, 0.5)
        self.parameters = _trainable(generator), _trainable(discriminator)
        self._x_train = chosen.images / 127.5 - 1.0
        self._batch_size = chosen.batch
        self._generator, self._discriminator = generator, discriminator
        self._discriminator.compile(loss="binary_crossentropy", optimizer=optimizer, metrics=["accuracy"])
        z = Input(shape=(protocol.LATENT,))
        self._discriminator.trainable = False
        self._combined = keras.Model(z, self._discriminator(self._generator(z)))
        self._combined.compile(loss="binary_crossentropy", optimizer=optimizer)

    def train(self, steps: int) -> tuple[float, float]:
        """Take so many steps; the mean losses of the discriminator, on real and fake together, and of the generator."""
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
    """Generator and discriminator, with a sigmoid, of gan.py."""
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
    """Generator and discriminator of architecture=dcgan, with a sigmoid."""

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


def _trainable(network: Any) -> int:
    return sum(int(tf.size(variable)) for variable in network.trainable_variables)


def main() -> None:
    """Serve."""
    chosen = protocol.options()
    gan = Gan(chosen)
    versions = {"python": platform.python_version(), "tensorflow": tf.__version__, "keras": keras.__version__}
    device = "gpu" if tf.config.list_physical_devices("GPU") else "cpu"
    protocol.serve("question", versions, device, gan.parameters, gan.train)


if __name__ == "__main__":
    main()
