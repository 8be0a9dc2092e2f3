"""Published values of the Dirac-GAN's dynamics, and the overrides that make `train.py` play each game."""

import csv
import re
from pathlib import Path
from typing import NamedTuple

from ganfreeze.errors import BadInput

_RELATIVE = 0.01  # tolerance of a norm
_ABSOLUTE = 1e-4  # tolerance of a spectral radius
_VARIANT = re.compile(
    r"(?P<loss>gan|nsgan|wgan|bilinear)?"
    r"(?:\+?(?P<kind>r1|_gp|_clip|consensus|momentum)(?:\((?P<weight>-?[\d.]+)\)|(?P<bound>\d+))?)?"
)
_LOSSES = {
    "gan": "minimax",
    "nsgan": "nonsaturating",
    "wgan": "wasserstein",
    "bilinear": "wasserstein",
    None: "minimax",
}
_STEPS_OF_DISCRIMINATOR = re.compile(r"_(\d+)$")
_UPDATES = {
    "simultaneous": ["update=simultaneous"],
    "alternating": ["update=alternating", "update.order=generator_first"],
    "extragradient": ["update=extragradient"],
    "optimistic": ["update=optimistic"],
    "optimistic_alternating": ["update=optimistic", "update.order=generator_first"],
}


class PublishedValue(NamedTuple):
    """A published value of "spectral_radius" or "norm_after_500", for a variant and an update in the paper's words."""

    variant: str
    update: str
    quantity: str
    value: str
    source: str

    def overrides(self) -> list[str]:
        """Return the overrides that make `train.py` play this game.

        The step size is 0.2. With alternating updates the generator comes first. "alternating_5" means five steps of
        the discriminator. "bilinear" is min over x, max over y of x y: under the Wasserstein loss the Dirac-GAN's
        generator ascends theta psi, and its discriminator descends it.

        Raises:
            BadInput: the variant or the update is unknown.
        """
        match = _VARIANT.fullmatch(self.variant)
        steps = _STEPS_OF_DISCRIMINATOR.search(self.update)
        update = _UPDATES.get(_STEPS_OF_DISCRIMINATOR.sub("", self.update))
        if not match or not update:
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
            *_deviation(match["kind"], match["weight"] or match["bound"]),
            *update,
            *([f"update.discriminator_steps={steps[1]}"] if steps else []),
        ]

    @property
    def tolerance(self) -> float:
        """By how much a measured value may differ from the published value.

        A spectral radius may differ by 1e-4. A norm may differ by 1%, or by half a unit of its last published digit if
        that is more.
        """
        digits, _, exponent = self.value.lower().partition("e")
        half_unit = 0.5 * 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2]))
        return _ABSOLUTE if self.quantity == "spectral_radius" else max(_RELATIVE * float(self.value), half_unit)

    def agrees(self, measured: float) -> bool:
        """Return whether a measured value differs from the published value by the tolerance at most."""
        return abs(measured - float(self.value)) <= self.tolerance


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


def _deviation(kind: str | None, strength: str | None) -> list[str]:
    match kind:
        case "r1":
            return ["regularizer=r1", f"regularizer.weight={float(strength or 0)}"]
        case "consensus":
            return ["regularizer=consensus", f"regularizer.weight={float(strength or 0)}"]
        case "_clip":
            return ["regularizer=weight_clip", f"regularizer.bound={float(strength or 0)}"]
        case "_gp":  # the paper's penalty is gamma / 2 (|grad| - 1)^2
            return ["regularizer=gradient_penalty", f"regularizer.weight={float(strength or 0) / 2}"]
        case "momentum":
            return [f"optimizer.momentum={float(strength or 0)}"]
    return []
