"""`tf.GradientTape` and explicit variable lists: nothing is frozen, only the active network is handed gradients."""

from ganfreeze.strategy.base import Game
from ganfreeze.strategy.engine.fused import Fused
from ganfreeze.strategy.engine.tapes import TapedPhases


class Tape(Fused):
    """The custom training loop of TensorFlow's guides, each phase a `tf.function`, and steps of both in one loop.

    No flag is read or set. A BatchNormalization in the frozen network goes on moving its averages.
    """

    def __init__(self, game: Game) -> None:
        taped = TapedPhases(game)
        generate = taped.generate if taped.reuses_fakes else None
        super().__init__(game, learn=taped.learn, fool=taped.fool, generate=generate)
