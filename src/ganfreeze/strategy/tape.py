"""`tf.GradientTape` and explicit variable lists: nothing is frozen, only the active network is handed gradients."""

from ganfreeze import tensorflow as tf
from ganfreeze.phases import PhaseByPhase
from ganfreeze.tapes import Taped
from ganfreeze.types import Game


class Tape(PhaseByPhase):
    """The custom training loop of TensorFlow's guides, one `tf.function` for each phase.

    No flag is read or set. A BatchNormalization in the frozen network goes on moving its averages.
    """

    def __init__(self, game: Game) -> None:
        taped = Taped(game)
        super().__init__(game, learn=tf.function(taped.learn), fool=tf.function(taped.fool))
