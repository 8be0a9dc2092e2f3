"""The Dirac-GAN as a test of strategies: each network is one number, and the dynamics are known in closed form.

One step maps (theta, psi) to new values. The Jacobian of this map at the equilibrium, (0, 0), says whether the game
converges there: it does if the spectral radius is below 1 (Mescheder, Geiger, Nowozin 2018, section 2).
"""

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ganfreeze.data.streams import Streams
from ganfreeze.errors import BadInput
from ganfreeze.gan.networks import Networks
from ganfreeze.proof.snapshot import Snapshot
from ganfreeze.strategy.base import Game, Strategy
from ganfreeze.types import Variable

STEPS = 500
_RELATIVE = 0.01  # tolerance of a norm
_ABSOLUTE = 1e-4  # tolerance of a spectral radius
_DISTANCE = 1e-4  # from the equilibrium to the points that the Jacobian is computed from
_VARIANT = re.compile(
    r"(?P<loss>gan|nsgan|wgan)?(?:\+?(?P<kind>r1|_gp|_clip|consensus)(?:\((?P<weight>[\d.]+)\)|(?P<bound>\d+))?)?"
)
_LOSSES = {"gan": "minimax", "nsgan": "nonsaturating", "wgan": "wasserstein", None: "minimax"}


class PublishedValue(NamedTuple):
    """A published value of "spectral_radius" or "norm_after_500", for a variant and an update in the paper's words."""

    variant: str
    update: str
    quantity: str
    value: str
    source: str

    def overrides(self) -> list[str]:
        """Return the overrides that make `train.py` play this game.

        The step size is 0.2. With alternating updates the generator comes first.

        Raises:
            BadInput: the variant or the update is unknown.
        """
        match = _VARIANT.fullmatch(self.variant)
        order, _, count = self.update.partition("_")
        if not match or order not in ("simultaneous", "alternating"):
            raise BadInput(f"{self.variant}, {self.update}: no such variant or update of the Dirac-GAN is known here")
        return [
            "dataset=dirac",
            "architecture=dirac",
            "optimizer=sgd",
            "evaluator=none",
            "batch_size=1",
            "optimizer.generator_rate=0.2",
            "optimizer.discriminator_rate=0.2",
            f"loss={_LOSSES[match['loss']]}",
            *_regularizer(match["kind"], match["weight"] or match["bound"]),
            *(["update=simultaneous"] if order == "simultaneous" else _alternating(count)),
        ]

    def agrees(self, measured: float) -> bool:
        """Return whether a measured value agrees with the published value.

        A spectral radius may differ by 1e-4. A norm may differ by 1%, or by half a unit of its last published digit if
        that is more.
        """
        published = float(self.value)
        digits, _, exponent = self.value.lower().partition("e")
        half_unit = 0.5 * 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2]))
        allowed = _ABSOLUTE if self.quantity == "spectral_radius" else max(_RELATIVE * published, half_unit)
        return abs(measured - published) <= allowed


def read(path: Path) -> list[PublishedValue]:
    """Return the published values in a CSV file.

    Raises:
        BadInput: there is no such file, or it holds something else.
    """
    try:
        with path.open() as file:
            anchors = [PublishedValue(**row) for row in csv.DictReader(file)]
            for anchor in anchors:
                float(anchor.value)  # raises ValueError if it is not a number
            return anchors
    except (OSError, TypeError, ValueError) as error:
        raise BadInput(
            f"anchors={path}: a CSV file with the columns {', '.join(PublishedValue._fields)} is needed"
        ) from error


def measure(quantity: str, strategy: Strategy, game: Game, streams: Streams) -> float:
    """Return the value of this quantity that a strategy gives."""
    return {"spectral_radius": spectral_radius, "norm_after_500": norm}[quantity](strategy, game, streams)


def spectral_radius(strategy: Strategy, game: Game, streams: Streams) -> float:
    """Return the spectral radius of the Jacobian of one step at the equilibrium, by central differences."""
    columns = []
    for direction in np.eye(2) * _DISTANCE:
        ahead, behind = (_after(sign * direction, strategy, game, streams, 1) for sign in (1, -1))
        columns.append((ahead - behind) / (2 * _DISTANCE))
    return float(np.abs(np.linalg.eigvals(np.stack(columns, axis=1))).max())


def norm(strategy: Strategy, game: Game, streams: Streams) -> float:
    """Return ||(theta, psi)|| after 500 steps from the current weights."""
    start = _position(game.networks)
    return float(np.linalg.norm(_after(start, strategy, game, streams, STEPS)))


def _after(
    start: NDArray[np.float64], strategy: Strategy, game: Game, streams: Streams, steps: int
) -> NDArray[np.float64]:
    """Return (theta, psi) after `steps` steps from `start`. The optimizers' variables are restored."""
    slots = Snapshot([*game.optimizers.generator.variables, *game.optimizers.discriminator.variables])
    for variable, value in zip(_variables(game.networks), start, strict=True):
        variable.assign(np.full(variable.shape, value))
    strategy.advance(streams, 0, steps)
    slots.restore()
    return _position(game.networks)


def _position(networks: Networks) -> NDArray[np.float64]:
    return np.array([float(variable.numpy().item()) for variable in _variables(networks)])


def _variables(networks: Networks) -> Sequence[Variable]:
    return [networks.generator.weights[0], networks.discriminator.weights[0]]


def _regularizer(kind: str | None, strength: str | None) -> list[str]:
    match kind:
        case "r1":
            return ["regularizer=r1", f"regularizer.weight={float(strength or 0)}"]
        case "consensus":
            return ["regularizer=consensus", f"regularizer.weight={float(strength or 0)}"]
        case "_clip":
            return ["regularizer=weight_clip", f"regularizer.bound={float(strength or 0)}"]
        case "_gp":  # the paper's penalty is gamma / 2 (|grad| - 1)^2
            return ["regularizer=gradient_penalty", f"regularizer.weight={float(strength or 0) / 2}"]
    return []


def _alternating(count: str) -> list[str]:
    return ["update=alternating", "update.order=generator_first", f"update.discriminator_steps={count}"]
