"""An architecture that is refused: one of its layers ignores `random`, so it starts from other weights in every run."""

from ganfreeze.gan.architecture.mlp import Mlp


class Unseeded(Mlp):
    """The MLP with one more layer in its discriminator, which Keras initializes as it likes."""

    def judge(self, keras, examples, random):
        extra = keras.layers.Dense(16, activation="relu", name="extra")
        return super().judge(keras, extra(keras.layers.Flatten()(examples)), random)
