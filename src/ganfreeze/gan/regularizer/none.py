"""No regularizer."""

from collections.abc import Sequence
from dataclasses import dataclass

from ganfreeze.gan.regularizer.base import PhaseContext, Regularizer
from ganfreeze.types import PhaseName, Variable


@dataclass(frozen=True)
class NoRegularizer(Regularizer):
    """A regularizer that adds no penalty and bounds no weight."""

    def penalty(self, phase: PhaseName, context: PhaseContext) -> float:
        return 0.0

    def constrain(self, weights: Sequence[Variable]) -> None:
        pass
