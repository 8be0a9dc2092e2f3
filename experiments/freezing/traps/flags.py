"""Traps of the flag `trainable`, and of models that share layers."""

import tempfile
from pathlib import Path

import small


def idiom(keras):
    """Compile the discriminator, freeze it, compile the combined model, never thaw it."""
    return small.idiom(keras, small.generator(keras), small.discriminator(keras))


def toggled(keras):
    """The flag has the same value at compile() and before every train_on_batch."""
    return small.toggled(keras, small.generator(keras), small.discriminator(keras))


def nothing_frozen(keras):
    """The line `discriminator.trainable = False` is missing."""
    generator, discriminator = small.generator(keras), small.compiled(keras, small.discriminator(keras))
    combined = small.combined(keras, generator, discriminator)
    return generator, discriminator, combined, *small.train_calls(generator, discriminator, combined)


def frozen_too_late(keras):
    """The flag is set after the combined model was compiled."""
    generator, discriminator, combined, *calls = nothing_frozen(keras)
    discriminator.trainable = False
    return generator, discriminator, combined, *calls


def flag_on_layers(keras):
    """The flag is set on each layer of the discriminator, not on the model."""
    generator, discriminator = small.generator(keras), small.compiled(keras, small.discriminator(keras))
    for layer in discriminator.layers:
        layer.trainable = False
    combined = small.combined(keras, generator, discriminator)
    return generator, discriminator, combined, *small.train_calls(generator, discriminator, combined)


def nested(keras):
    """The discriminator holds another model; the flag is set on the outer one."""
    inner_input = keras.layers.Input((small.FEATURES,))
    inner = keras.Model(inner_input, keras.layers.Dense(16, activation="relu")(inner_input), name="features")
    example = keras.layers.Input((small.FEATURES,))
    discriminator = keras.Model(example, keras.layers.Dense(1)(inner(example)), name="discriminator")
    return small.idiom(keras, small.generator(keras), discriminator)


def second_model(keras):
    """The workaround of keras issue 8585: the combined model gets a second, frozen model over the same layers."""
    generator, discriminator = small.generator(keras), small.compiled(keras, small.discriminator(keras))
    frozen = keras.Model(discriminator.inputs, discriminator.outputs, name="frozen")
    frozen.trainable = False
    combined = small.combined(keras, generator, frozen)
    return generator, discriminator, combined, *small.train_calls(generator, discriminator, combined)


def shared_trunk(keras):
    """A second head shares the discriminator's trunk, and is thawed to train beside the generator, as in InfoGAN."""
    example = keras.layers.Input((small.FEATURES,))
    trunk = keras.layers.Dense(16, activation="relu")(example)
    discriminator = small.compiled(keras, keras.Model(example, keras.layers.Dense(1)(trunk), name="discriminator"))
    head = keras.Model(example, keras.layers.Dense(1)(trunk), name="head")
    generator, latent = small.generator(keras), keras.layers.Input((small.LATENT,))
    discriminator.trainable = False
    head.trainable = True  # under Keras 2 this thaws the trunk
    fakes = generator(latent)
    outputs = keras.layers.Add()([discriminator(fakes), head(fakes)])
    combined = small.compiled(keras, keras.Model(latent, outputs, name="combined"))
    return generator, discriminator, combined, *small.train_calls(generator, discriminator, combined)


def reloaded(keras):
    """The combined model is saved and loaded, and its discriminator compiled again to go on training."""
    loaded = small.reloaded(keras, idiom(keras)[2])
    generator, discriminator = loaded.get_layer("generator"), loaded.get_layer("discriminator")
    small.compiled(keras, discriminator)  # the flag is False: it was saved with the model
    return generator, discriminator, loaded, *small.train_calls(generator, discriminator, loaded)


def reloaded_and_toggled(keras):
    """The cure: the discriminator of the loaded model is compiled with its flag True, and toggled before each batch."""
    combined = small.reloaded(keras, idiom(keras)[2])
    generator, discriminator = combined.get_layer("generator"), combined.get_layer("discriminator")
    small.compiled(keras, small.thawed(discriminator))
    return small.with_toggled_flag(generator, discriminator, combined)


def discriminator_reloaded(keras):
    """The idiom's discriminator is saved and loaded. It was compiled before the flag, and is loaded with the flag."""
    generator, discriminator, *_ = idiom(keras)
    loaded = small.reloaded(keras, discriminator)
    combined = small.combined(keras, generator, loaded)
    return generator, loaded, combined, *small.train_calls(generator, loaded, combined)


def reloaded_apart(keras):
    """Generator, discriminator and combined model are saved in three files. The loaded ones share no weights."""
    generator, discriminator, combined, *_ = idiom(keras)
    generator, combined = small.reloaded(keras, generator), small.reloaded(keras, combined)
    discriminator = small.compiled(keras, small.thawed(small.reloaded(keras, discriminator)))
    return generator, discriminator, combined, *small.train_calls(generator, discriminator, combined)


def weights_loaded(keras):
    """The discriminator's weights are saved and loaded after all models were compiled."""
    generator, discriminator, combined, *calls = idiom(keras)
    with tempfile.TemporaryDirectory() as folder:
        discriminator.save_weights(Path(folder) / "discriminator.weights.h5")
        discriminator.load_weights(Path(folder) / "discriminator.weights.h5")
    return generator, discriminator, combined, *calls
