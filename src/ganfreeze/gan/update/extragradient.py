"""The extragradient step: both networks look a step ahead."""

from dataclasses import dataclass

from ganfreeze.gan.update.base import Extrapolation, Order, Update


@dataclass(frozen=True, kw_only=True)
class Extragradient(Update):
    """Both networks take a step ahead; then both take the step from their initial weights, by the gradients ahead.

    With the gradient vector field F and the step size h:

        w' = w_t - h F(w_t)
        w_{t+1} = w_t - h F(w')

    Both lines are steps of the optimizer, each on a batch and noise of its own. Adam updates its moments in both, so
    this is extra-Adam. Bounds on weights hold for w' too. Averages of weights get w_{t+1} only.

    Source: Korpelevich 1976; Gidel et al. 2019, "A variational inequality perspective on generative adversarial
    networks", equations 11 and 12, and algorithm 4.
    """

    order: Order = "simultaneous"
    extrapolation: Extrapolation = "extragradient"
