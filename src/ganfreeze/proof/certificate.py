"""Certify whether two variants are the same algorithm: their weights are compared after each step."""

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

TOLERANCES = {"float32": 1e-4, "float64": 1e-6}  # relative differences; rounding has had time to grow
_ONSETS = {"float32": 1e-5, "float64": 1e-7}  # for averages after the first step: no optimizer has enlarged these yet


class Difference(NamedTuple):
    """How far apart a variable of two variants is after `step` steps.

    `absolute` is the largest difference of an element. `relative` is `absolute` divided by the largest element of the
    variable's network, not of the variable: a variable may hold nothing but rounding, such as a bias before
    BatchNormalization, whose gradient is exactly 0. `ulp` is the largest number of units in the last place between two
    elements.
    """

    step: int
    variable: str
    absolute: float
    relative: float
    ulp: float

    @property
    def is_average(self) -> bool:
        """Whether the variable is a moving average of BatchNormalization."""
        return self.variable.rpartition("/")[2].startswith("moving_")


@dataclass(frozen=True)
class Certificate:
    """All differences of two variants in one precision; `tolerance` is the relative difference that rounding may make.

    Rounding grows in training: a last bit flips, and an optimizer that divides by small numbers enlarges the
    difference. One precision cannot always tell this from a different algorithm, but a second precision can. Rounding
    shrinks with the unit roundoff, 6e-8 in single and 1e-16 in double precision; a difference of algorithms does not.
    (It does not shrink quite to 1e-16: Keras 2 keeps the momentum of BatchNormalization in single precision, whatever
    the network's precision, and this makes 1e-8.)

    After the first step, no optimizer has yet enlarged a difference of BatchNormalization's averages. So less is
    allowed there.
    """

    a: str
    b: str
    precision: str
    tolerance: float
    differences: Sequence[Difference]

    @property
    def verdict(self) -> Verdict:
        """The verdict in this precision.

        It is "identical" if every bit is equal, except the sign of a zero, and "different algorithm" if a variable
        differs by more than the tolerance.
        """
        if not any(difference.ulp for difference in self.differences):
            return "identical"
        return "different algorithm" if self.first_difference else "equal to rounding"

    @property
    def first_difference(self) -> Difference | None:
        """The largest difference at the first step at which a variable differs by more than the tolerance, or None."""
        beyond = [difference for difference in self.differences if self._is_beyond(difference)]
        first = min((difference.step for difference in beyond), default=None)
        at_first = [difference for difference in beyond if difference.step == first]
        return max(at_first, key=lambda difference: difference.relative, default=None)

    @property
    def averages_differ(self) -> bool:
        """Whether an average of BatchNormalization differs by more than the tolerance after the first step."""
        first = [difference for difference in self.differences if difference.step == 1 and difference.is_average]
        return any(map(self._is_beyond, first))

    def _is_beyond(self, difference: Difference) -> bool:
        onset = min(self.tolerance, _ONSETS[self.precision])
        allowed = onset if difference.step == 1 and difference.is_average else self.tolerance
        return not difference.relative <= allowed  # so NaN is beyond too

    @property
    def largest(self) -> Difference:
        """The largest relative difference of all."""
        return max(self.differences, key=lambda difference: difference.relative)

    def by_step(self) -> Iterator[tuple[int, Difference]]:
        """Yield each step with its largest relative difference."""
        worst: dict[int, Difference] = {}
        for difference in self.differences:
            if difference.step not in worst or difference.relative > worst[difference.step].relative:
                worst[difference.step] = difference
        yield from sorted(worst.items())


def verdict(certificates: Sequence[Certificate]) -> Verdict:
    """Return the common verdict of one pair's certificates in several precisions.

    The finest precision decides, with two exceptions. If averages differ beyond the tolerance at the first step in any
    precision, it is not rounding, because no optimizer has enlarged it. And a pair is identical only if it is identical
    in every precision.
    """
    finest = min(certificates, key=lambda certificate: TOLERANCES[certificate.precision]).verdict
    if any(certificate.averages_differ for certificate in certificates):
        return "different algorithm"
    if finest == "identical" and any(certificate.verdict != "identical" for certificate in certificates):
        return "equal to rounding"
    return finest


def differences(step: int, names: Sequence[str], a: _Values, b: _Values) -> list[Difference]:
    """Return the difference of each variable of two variants.

    `names` are the variables' names, "network/...". The arrays of `a` and `b` have the same shapes and dtypes.
    """
    networks = [name.partition("/")[0] for name in names]
    scales = dict.fromkeys(networks, 0.0)
    for network, in_a, in_b in zip(networks, a, b, strict=True):
        scales[network] = max(scales[network], _largest(in_a), _largest(in_b))
    rows = []
    for network, name, in_a, in_b in zip(networks, names, a, b, strict=True):
        absolute = _largest(in_a - in_b)
        relative = absolute / scales[network] if absolute else 0.0
        rows.append(Difference(step, name, absolute, relative, _ulp(in_a, in_b)))
    return rows


def names(networks: Networks) -> list[str]:
    """Return names for the variables of both networks.

    They do not depend on the version of Keras, or on how many layers it has made before.
    """
    return [*_names("generator", networks.generator), *_names("discriminator", networks.discriminator)]


def _names(network: str, model: Model, kinds: Counter[str] | None = None) -> Iterator[str]:
    kinds = Counter() if kinds is None else kinds
    for layer in model.layers:
        if hasattr(layer, "layers"):  # a model in the model
            yield from _names(network, layer, kinds)
        elif layer.weights:
            kind = type(layer).__name__
            kinds[kind] += 1
            for weight in layer.weights:
                yield f"{network}/{kind}_{kinds[kind]}/{weight.name.rpartition('/')[2].removesuffix(':0')}"


def _largest(value: NDArray[Any]) -> float:
    return float(np.abs(value).max())


def _ulp(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Return the largest number of units in the last place between two elements. Zeros of both signs are equal."""
    ordinals_a, ordinals_b = _ordinal(a), _ordinal(b)
    return float(np.where(ordinals_a > ordinals_b, ordinals_a - ordinals_b, ordinals_b - ordinals_a).max())


def _ordinal(value: NDArray[Any]) -> NDArray[np.unsignedinteger[Any]]:
    """Return floats as unsigned integers in the same order; neighbouring floats become neighbours (Dawson 2012)."""
    unsigned = np.dtype(f"u{value.dtype.itemsize}")
    sign = unsigned.type(1 << (8 * value.dtype.itemsize - 1))
    bits = value.view(unsigned)
    return np.where(bits & sign, sign - (bits & ~sign), sign + bits)
