"""The base class of optimizers, and the pair of Keras optimizers that it builds."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from types import MethodType
from typing import Any

from ganfreeze.errors import BadInput
from ganfreeze.gan.optimism import make_optimistic
from ganfreeze.gan.schedule.base import Schedule
from ganfreeze.gan.update.base import Update
from ganfreeze.types import PhaseName, Precision, Tensor, Variable


@dataclass(frozen=True)
class Optimizers:
    """A Keras optimizer for each network, or the same one for both."""

    generator: Any
    discriminator: Any

    @property
    def shared(self) -> bool:
        """Whether both networks share one optimizer."""
        return self.generator is self.discriminator

    def build(self, *, generator: Sequence[Variable], discriminator: Sequence[Variable]) -> None:
        """Create the slot variables for these weights now.

        An optimizer of Keras 2.11 or later knows only the variables of its first use. If two trainers share it and it
        was not built for all variables, it raises a KeyError in the second trainer.
        """
        if self.shared:
            known = {id(variable): variable for variable in (*generator, *discriminator)}
            self.generator.build(list(known.values()))
        else:
            self.generator.build(list(generator))
            self.discriminator.build(list(discriminator))

    def scaled(self, phase: PhaseName, loss: Tensor) -> Tensor:
        """Return the loss to differentiate: a multiple of `loss` in half precision, else `loss` itself.

        In half precision small gradients would become 0. The optimizer finds the factor (Micikevicius et al. 2018,
        section 3.2).
        """
        optimizer = getattr(self, phase)
        scale = getattr(optimizer, "get_scaled_loss", None) or getattr(optimizer, "scale_loss", None)  # Keras 2, 3
        return scale(loss) if scale else loss

    def scale_state(self, phase: PhaseName) -> Sequence[Variable]:
        """Return what an optimizer in half precision keeps of its loss scale: the scale, and a count of good steps.

        Without loss scaling the sequence is empty.
        """
        optimizer = getattr(self, phase)
        if hasattr(optimizer, "dynamic_scale"):  # Keras 3
            return [optimizer.dynamic_scale, optimizer.step_counter]
        if getattr(optimizer, "dynamic", False):  # Keras 2 does not list them among the optimizer's variables
            return [optimizer._loss_scale.current_loss_scale, optimizer._loss_scale.counter]
        return []

    def variables(self, phase: PhaseName) -> Sequence[Variable]:
        """Return all variables of an optimizer, those of its loss scale too, each once."""
        own = getattr(getattr(self, phase), "variables", ())  # a method in `optimizers.legacy` of Keras 2
        own = own() if isinstance(own, MethodType) else own
        return list({id(each): each for each in (*own, *self.scale_state(phase))}.values())

    def apply(self, phase: PhaseName, gradients: Sequence[Tensor], weights: Sequence[Variable]) -> None:
        """Update the weights by the gradients of a `scaled` loss."""
        optimizer = getattr(self, phase)
        if hasattr(optimizer, "get_unscaled_gradients"):  # Keras 2; Keras 3 unscales them itself
            gradients = optimizer.get_unscaled_gradients(gradients)
        optimizer.apply_gradients(zip(gradients, weights, strict=True))


class OptimizerPair(ABC):
    """One rule for both networks, with a learning rate for each: the base class of every file in `optimizer/`.

    - `generator_rate`: the learning rate of the generator.
    - `discriminator_rate`: the learning rate of the discriminator. Two different rates make TTUR (Heusel et al. 2017).
    """

    generator_rate: float
    discriminator_rate: float

    @abstractmethod
    def optimizer(self, keras: Any, rate: Any) -> Any:
        """Return a Keras optimizer with this learning rate, a float or a Keras schedule."""

    def check(self, update: Update) -> None:
        """Raise BadInput if both networks share one optimizer but have different rates."""
        if update.optimizers == "shared" and self.generator_rate != self.discriminator_rate:
            raise BadInput(
                f"update.optimizers=shared has one rate; optimizer.generator_rate={self.generator_rate} and "
                f"optimizer.discriminator_rate={self.discriminator_rate} must be equal."
            )

    def build(
        self, *, keras: Any, schedule: Schedule, update: Update, steps: int, precision: Precision = "float32"
    ) -> Optimizers:
        """Build the optimizers for a run of this many steps. In mixed_float16 they scale the loss."""

        def build(phase: PhaseName, rate: float) -> Any:
            iterations = steps * update.iterations(phase)
            optimizer = self.optimizer(keras, schedule.build(keras=keras, rate=rate, iterations=iterations))
            if update.extrapolation == "optimistic":
                make_optimistic(optimizer)
            return keras.mixed_precision.LossScaleOptimizer(optimizer) if precision == "mixed_float16" else optimizer

        discriminator = build("discriminator", self.discriminator_rate)
        shared = update.optimizers == "shared"
        return Optimizers(discriminator if shared else build("generator", self.generator_rate), discriminator)
