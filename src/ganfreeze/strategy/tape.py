"""`tf.GradientTape` and explicit variable lists: no flag is set, and only the active network gets gradients."""

from ganfreeze.strategy.base import Game
from ganfreeze.strategy.engine.fused import Fused
from ganfreeze.strategy.engine.tapes import TapedPhases


class Tape(Fused):
    """The custom training loop of TensorFlow's guides. Each phase is a `tf.function`, and one loop runs many steps.

    No flag is read or set. A BatchNormalization in the frozen discriminator continues to move its averages, unless
    `update.judge=inference`.
    """

    shares_batches = True

    def __init__(self, game: Game) -> None:
        taped = TapedPhases(game)
        self.judge = taped.judge
        generate = taped.generate if taped.reuses_fakes else None
        super().__init__(
            game,
            discriminator=taped.train_discriminator,
            generator=taped.train_generator,
            generate=generate,
        )
