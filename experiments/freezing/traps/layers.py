"""Layers that a flag does not hold, or holds in another way than a tape."""

import os

import small


def batch_norm_flag(keras):
    """The flag puts BatchNormalization into inference mode: it normalizes fakes by its averages, and keeps them."""
    generator, discriminator = small.generator(keras), small.discriminator(keras, keras.layers.BatchNormalization())
    return small.toggled(keras, generator, discriminator)


def batch_norm_tape(keras):
    """Under a tape in training mode, BatchNormalization normalizes by the batch and moves its averages."""
    return _taped(keras, keras.layers.BatchNormalization, judge=True)


def batch_norm_tape_inference(keras):
    """The same tape with discriminator(fakes, training=False): this is what the flag does."""
    return _taped(keras, keras.layers.BatchNormalization, judge=False)


def fixed_inference(keras):
    """The combined model calls discriminator(fakes, training=False), and no flag is set. Keras 3 ignores it."""
    generator = small.generator(keras)
    discriminator = small.compiled(keras, small.discriminator(keras, keras.layers.BatchNormalization()))
    combined = small.combined(keras, generator, discriminator, training=False)
    return generator, discriminator, combined, *small.train_calls(generator, discriminator, combined)


def spectral_norm_flag(keras):
    """Keras' SpectralNormalization under the flag: it overwrites its kernel in every call in training mode."""
    return small.toggled(keras, small.generator(keras), small.discriminator(keras, _spectral(keras)))


def spectral_norm_tape(keras):
    """The same under a tape in training mode."""
    return _taped(keras, lambda: _spectral(keras), judge=True)


def spectral_norm_tape_inference(keras):
    """The same under a tape in inference mode, which alone holds it."""
    return _taped(keras, lambda: _spectral(keras), judge=False)


def dropout_flag(keras):
    """Dropout draws masks under the flag too; only inference mode ends that."""
    return small.toggled(keras, small.generator(keras), small.discriminator(keras, keras.layers.Dropout(0.3)))


def gaussian_noise_flag(keras):
    """GaussianNoise draws noise under the flag too; only inference mode ends that."""
    return small.toggled(keras, small.generator(keras), small.discriminator(keras, keras.layers.GaussianNoise(0.3)))


def _spectral(keras):
    if keras.__name__ == "tf_keras" and os.environ.get("TF_USE_LEGACY_KERAS") != "1":
        raise NotImplementedError("Keras 2's SpectralNormalization needs TF_USE_LEGACY_KERAS=1 if Keras 3 is installed")
    return keras.layers.SpectralNormalization(keras.layers.Dense(16))


def _taped(keras, make, judge):
    generator, discriminator = small.generator(keras), small.discriminator(keras, make())
    optimizers = keras.optimizers.Adam(1e-2), keras.optimizers.Adam(1e-2)
    return small.taped(keras, generator, discriminator, optimizers, judge=judge)
