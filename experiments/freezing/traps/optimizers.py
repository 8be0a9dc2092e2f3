"""Optimizers that move what they should not."""

import small


def _taped(keras, make, *, shared=False, **options):
    generator, discriminator = small.generator(keras), small.discriminator(keras)
    first = make()
    return small.taped(keras, generator, discriminator, (first, first if shared else make()), **options)


def shared(keras):
    """One Adam for both networks, which gets the active variables only. It counts both networks' steps."""
    return _taped(keras, lambda: keras.optimizers.Adam(1e-2), shared=True)


def zero_gradients(keras):
    """One Adam for both networks, which gets the frozen variables too, with gradients of zero."""
    return _taped(keras, lambda: keras.optimizers.Adam(1e-2), shared=True, frozen_gradients="zero")


def zero_gradients_of_its_own(keras):
    """Each network's own Adam gets the other network's variables too, with gradients of zero."""
    return _taped(keras, lambda: keras.optimizers.Adam(1e-2), frozen_gradients="zero")


def stop_gradient(keras):
    """tf.stop_gradient(fakes) in the discriminator phase: the generator's gradients are zero, and Adam moves it on."""
    return _taped(keras, lambda: keras.optimizers.Adam(1e-2), shared=True, frozen_gradients="stopped")


def adamw(keras):
    """One AdamW for both networks, which gets the active variables only."""
    return _taped(keras, lambda: keras.optimizers.AdamW(1e-2), shared=True)


def adamw_zero_gradients(keras):
    """Each network's own AdamW gets the other network's variables too: its decay needs no gradient."""
    return _taped(keras, lambda: keras.optimizers.AdamW(1e-2), frozen_gradients="zero")


def ema(keras):
    """One optimizer for both networks keeps averages, and overwrites the weights by them every second step."""
    make = lambda: keras.optimizers.Adam(1e-2, use_ema=True, ema_overwrite_frequency=2)  # noqa: E731
    return _taped(keras, make, shared=True)


def accumulation(keras):
    """One optimizer for both networks accumulates the gradients of two steps: one of each network."""
    return _taped(keras, lambda: _accumulating(keras), shared=True)


def accumulation_of_its_own(keras):
    """Each network's own optimizer accumulates the gradients of two steps."""
    return _taped(keras, lambda: _accumulating(keras))


def loss_scale(keras):
    """One optimizer scales the losses of both phases: an overflow in one phase halves the scale of the other too."""
    return _taped(keras, lambda: _scaling(keras), shared=True, scale=True)


def loss_scale_of_its_own(keras):
    """Each network's own optimizer scales its loss, and skips the steps that overflow."""
    return _taped(keras, lambda: _scaling(keras), scale=True)


def _scaling(keras):
    """Return an optimizer whose first scale is above the largest half, 65,504: it skips steps until it is below."""
    adam = keras.optimizers.Adam(1e-2)
    return keras.mixed_precision.LossScaleOptimizer(adam, initial_scale=2.0**18)


def _accumulating(keras):
    if tuple(map(int, keras.__version__.split(".")[:2])) < (3, 2):
        raise NotImplementedError(f"Keras {keras.__version__} has no gradient_accumulation_steps")
    return keras.optimizers.Adam(1e-2, gradient_accumulation_steps=2)
