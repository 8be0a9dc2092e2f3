"""The optimistic step: the next gradient is guessed from the last two."""

from dataclasses import dataclass

from ganfreeze.gan.update.base import Extrapolation, Order, Update


@dataclass(frozen=True, kw_only=True)
class Optimistic(Update):
    """Each optimizer takes twice its step, minus its previous step.

    With the optimizer's own step s_t, and s_0 = 0:

        w_{t+1} = w_t + 2 s_t - s_{t-1}

    For plain SGD this is w_{t+1} = w_t - 2 h g_t + h g_{t-1}, with the gradient g_t and the step size h. For Adam it is
    optimistic Adam. Both networks are updated at once. With `order` "discriminator_first" or "generator_first" the
    second one sees the new weights of the first one.

    Source: Daskalakis et al. 2018, "Training GANs with optimism", section 2 and algorithm 1.
    """

    order: Order = "simultaneous"
    extrapolation: Extrapolation = "optimistic"
