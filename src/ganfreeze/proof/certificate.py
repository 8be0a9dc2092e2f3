"""Are two variants the same algorithm? Their weights compared step by step, and what that certifies."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ganfreeze.gan.networks import Networks
from ganfreeze.types import Model

Verdict = Literal["identical", "equal to rounding", "different algorithm"]

_Values = Sequence[NDArray[Any]]

TOLERANCES = {"float32": 1e-4, "float64": 1e-6}  # relative, for what has had time to grow
_ONSETS = {"float32": 1e-5, "float64": 1e-7}  # for averages after the first step, which nothing has enlarged yet


class Difference(NamedTuple):
    """How far apart a variable of two variants is after `step` steps.

    `absolute` is the largest difference of an element; `relative` that by the largest element of the variable's
    network, because a variable may be nothing but rounding (a bias before BatchNormalization, whose gradient is exactly
    0); `ulp` the largest number of units in the last place between two elements.
    """

    step: int
    variable: str
    absolute: float
    relative: float
    ulp: float

    @property
    def is_average(self) -> bool:
        """Whether it is a moving average of BatchNormalization."""
        return self.variable.rpartition("/")[2].startswith("moving_")


@dataclass(frozen=True)
class Certificate:
    """All differences of two variants in one precision; `tolerance` is the relative difference that rounding may make.

    Rounding grows in training: a last bit flips, and an optimizer that divides by small numbers enlarges it. So what
    one precision cannot decide is decided by a second: rounding shrinks with the unit roundoff, 6e-8 in single and
    1e-16 in double precision, and a difference of algorithms does not. (Not quite to 1e-16: Keras 2 keeps the momentum
    of BatchNormalization in single precision whatever the network's, which makes 1e-8.) But what the averages of a
    BatchNormalization are apart after the first step no optimizer has enlarged: there less is allowed.
    """

    a: str
    b: str
    precision: str
    tolerance: float
    differences: Sequence[Difference]

    @property
    def verdict(self) -> Verdict:
        """Identical where every bit is equal, but for the sign of a zero; different where a variable parts beyond the
        tolerance."""
        if not any(each.ulp for each in self.differences):
            return "identical"
        return "different algorithm" if self.parting else "equal to rounding"

    @property
    def parting(self) -> Difference | None:
        """The variable that is farthest apart at the first step where one is beyond the tolerance."""
        onset = min(self.tolerance, _ONSETS[self.precision])
        beyond = [
            each
            for each in self.differences
            if not each.relative <= (onset if each.step == 1 and each.is_average else self.tolerance)
        ]
        first = min((each.step for each in beyond), default=None)
        return max((each for each in beyond if each.step == first), key=lambda each: each.relative, default=None)

    @property
    def largest(self) -> Difference:
        """The largest relative difference of all."""
        return max(self.differences, key=lambda each: each.relative)

    def by_step(self) -> Iterator[tuple[int, Difference]]:
        """The largest relative difference of each step."""
        worst: dict[int, Difference] = {}
        for each in self.differences:
            if each.step not in worst or each.relative > worst[each.step].relative:
                worst[each.step] = each
        yield from sorted(worst.items())


def verdict(certificates: Sequence[Certificate]) -> Verdict:
    """What certificates of one pair in several precisions say together.

    The finest precision decides. But averages that part in a coarser one at the first step no optimizer has enlarged,
    so that is no rounding; and identical is only what is so in all.
    """
    finest = min(certificates, key=lambda each: TOLERANCES[each.precision]).verdict
    if any(each.parting and each.parting.step == 1 and each.parting.is_average for each in certificates):
        return "different algorithm"
    if finest == "identical" and any(each.verdict != "identical" for each in certificates):
        return "equal to rounding"
    return finest


def differences(step: int, names: Sequence[str], a: _Values, b: _Values) -> list[Difference]:
    """The difference of each variable of two variants, called "network/..."; arrays in pairs of one shape and dtype."""
    networks = [name.partition("/")[0] for name in names]
    scales = dict.fromkeys(networks, 0.0)
    for network, one, other in zip(networks, a, b, strict=True):
        scales[network] = max(scales[network], _largest(one), _largest(other))
    found = []
    for network, name, one, other in zip(networks, names, a, b, strict=True):
        apart = _largest(one - other)
        found.append(Difference(step, name, apart, apart / scales[network] if apart else 0.0, _ulp(one, other)))
    return found


def names(networks: Networks) -> list[str]:
    """What the variables of both networks are called, whichever Keras made them and however many it made before."""
    return [*_names("generator", networks.generator), *_names("discriminator", networks.discriminator)]


def _names(network: str, model: Model) -> Iterator[str]:
    kinds: Counter[str] = Counter()
    for layer in model.layers:
        if layer.weights:
            kind = type(layer).__name__
            kinds[kind] += 1
            for weight in layer.weights:
                yield f"{network}/{kind}_{kinds[kind]}/{weight.name.rpartition('/')[2].removesuffix(':0')}"


def _largest(value: NDArray[Any]) -> float:
    return float(np.abs(value).max())


def _ulp(a: NDArray[Any], b: NDArray[Any]) -> float:
    """How many numbers of their format lie between two elements, at the most; 0 is equal to zero of either sign."""
    one, other = _ordinal(a), _ordinal(b)
    return float(np.where(one > other, one - other, other - one).max())


def _ordinal(value: NDArray[Any]) -> NDArray[np.unsignedinteger[Any]]:
    """Floats as unsigned integers in the same order, next to each other where the floats are (Dawson 2012)."""
    unsigned = np.dtype(f"u{value.dtype.itemsize}")
    sign = unsigned.type(1 << (8 * value.dtype.itemsize - 1))
    bits = value.view(unsigned)
    return np.where(bits & sign, sign - (bits & ~sign), sign + bits)
