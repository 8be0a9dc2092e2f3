"""The Dirac-GAN as a test of strategies: each network is one number, and the dynamics are known in closed form.

One step maps (theta, psi), and what the optimizers remember, to new values. The Jacobian of this map at the
equilibrium, where all are 0, says whether the game converges there: it does if the spectral radius is below 1
(Mescheder, Geiger, Nowozin 2018, section 2).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ganfreeze.data.streams import Streams
from ganfreeze.gan.networks import Networks
from ganfreeze.proof.snapshot import Snapshot
from ganfreeze.strategy.base import Game, Strategy
from ganfreeze.types import Variable

STEPS = 500
_DISTANCE = 1e-4  # from the equilibrium to the points that the Jacobian is computed from


def measure(quantity: str, strategy: Strategy, game: Game, streams: Streams) -> float:
    """Return the value of this quantity that a strategy gives."""
    return {"spectral_radius": spectral_radius, "norm_after_500": norm}[quantity](strategy, game, streams)


def spectral_radius(strategy: Strategy, game: Game, streams: Streams) -> float:
    """Return the spectral radius of the Jacobian of one step at the equilibrium, by central differences.

    The step maps the weights and what the optimizers remember: momenta, and the last steps of optimism. All are 0 at
    the equilibrium.
    """
    state = [*_weights(game.networks), *_memory(game)]
    columns = []
    for direction in np.eye(len(state)) * _DISTANCE:
        ahead, behind = (_after(state, sign * direction, strategy, game, streams, 1) for sign in (1, -1))
        columns.append((ahead - behind) / (2 * _DISTANCE))
    return float(np.abs(np.linalg.eigvals(np.stack(columns, axis=1))).max())


def norm(strategy: Strategy, game: Game, streams: Streams) -> float:
    """Return ||(theta, psi)|| after 500 steps from the current weights."""
    weights = _weights(game.networks)
    return float(np.linalg.norm(_after(weights, _numbers(weights), strategy, game, streams, STEPS)))


def _after(
    state: Sequence[Variable],
    start: NDArray[np.float64],
    strategy: Strategy,
    game: Game,
    streams: Streams,
    steps: int,
) -> NDArray[np.float64]:
    """Return the numbers of `state` after `steps` steps from `start`. The optimizers' variables are restored."""
    slots = Snapshot([*game.optimizers.variables("generator"), *game.optimizers.variables("discriminator")])
    for variable, value in zip(state, start, strict=True):
        variable.assign(np.full(variable.shape, value))
    strategy.advance(streams, 0, steps)
    reached = _numbers(state)
    slots.restore()
    return reached


def _numbers(variables: Sequence[Variable]) -> NDArray[np.float64]:
    return np.array([float(variable.numpy().item()) for variable in variables])


def _weights(networks: Networks) -> Sequence[Variable]:
    return [networks.generator.weights[0], networks.discriminator.weights[0]]


def _memory(game: Game) -> Sequence[Variable]:
    """Return the optimizers' slots, each once, without their counters and rates."""
    found = [*game.optimizers.variables("generator"), *game.optimizers.variables("discriminator")]
    return list({id(slot): slot for slot in found if len(slot.shape)}.values())
