"""The audit: what each phase moves, variable by variable (snapshot -> phase -> difference -> restore).

Before training, each phase runs on a real batch, and what it moved is compared with what it may move. Two more things
are checked: no variable belongs to both networks, and one `advance` does what the phases do one by one. Then everything
is restored, bit for bit. `ganfreeze.proof.ledger` holds the results and the verdict.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ganfreeze.data.streams import Streams
from ganfreeze.gan.inspection import overwritten
from ganfreeze.gan.optimism import PREVIOUS_STEP
from ganfreeze.proof.ledger import Entry, Kind, Ledger, Role
from ganfreeze.proof.snapshot import Snapshot, values
from ganfreeze.strategy.base import Game, Phase, Strategy
from ganfreeze.strategy.engine import phases
from ganfreeze.types import Model, PhaseName, Variable

_NETWORKS: tuple[PhaseName, PhaseName] = ("generator", "discriminator")
# A share of the distance that a group moves in a step: it leaves room for rounding that Adam enlarges, not for a lost
# phase.
_TOLERANCE = 0.05

_Values = Sequence[NDArray[Any]]


class OwnedVariable(NamedTuple):
    """A variable, the network that it belongs to, and its kind there."""

    network: PhaseName
    kind: Kind
    name: str
    variable: Variable


def audit(strategy: Strategy, game: Game, streams: Streams) -> Ledger:
    """Run each phase on the batches of step 0, record what it moved, and restore everything.

    Each phase runs before it is measured, because what a train function does may depend on when it was traced. In
    mixed_float16 it runs until its optimizer has found a scale of the loss, and the measurement begins with this scale.
    """
    owned = inventory(strategy, game)
    variables = [each.variable for each in owned]
    start, average = Snapshot(variables), Snapshot(game.average.variables)
    inputs = phases.step_inputs(game.update, streams, 0)
    batches: dict[PhaseName, Any] = {call.phase: batch for call, batch in zip(game.update.calls(), inputs, strict=True)}
    scales = [variable for name in batches for variable in game.optimizers.scale_state(name)]
    skipped: dict[PhaseName, int] = {}
    for name, batch in batches.items():
        skipped[name] = _settle(strategy.phases[name], batch, game)
        settled = Snapshot(scales)
        start.restore()
        settled.restore()
    origin = Snapshot(variables)

    entries: list[Entry] = []
    for name, batch in batches.items():
        strategy.phases[name].run(*batch)
        entries += differing(name, owned, origin.values, values(variables), held=game.networks.held_weights)
        origin.restore()

    phases.run_step(strategy.phases, game.update, inputs)
    one_by_one = values(variables)
    origin.restore()
    strategy.advance(streams, 0, 1)
    error = _advance_error(owned, origin.values, one_by_one, values(variables))
    start.restore()
    average.restore()

    faults = list(shared_variables(game.networks.generator, game.networks.discriminator))
    if error > _TOLERANCE:
        extent = f"by {error:.0%} of the distance that they move" if np.isfinite(error) else "completely"
        faults.append(f"one step by advance() is not the phases run one by one: it differs {extent}")
    return Ledger(entries, faults, error, skipped)


def _settle(phase: Phase, batch: Sequence[Any], game: Game) -> int:
    """Run a phase until its optimizer takes a step, and return how many it skipped.

    If scaled gradients overflow, the optimizer skips the step and halves the scale (Micikevicius et al. 2018, section
    3.2). If they are never finite, the scale ends at its least value, and the last step counts as taken.
    """
    scale_state, skipped = game.optimizers.scale_state(phase.name), 0
    while True:
        before = values(scale_state)
        phase.run(*batch)
        if not scale_state or values(scale_state)[0] >= before[0]:
            return skipped
        skipped += 1


def inventory(strategy: Strategy, game: Game) -> Sequence[OwnedVariable]:
    """Return every variable of both networks and of their optimizers, each once."""
    owned = [*_variables(strategy, game), *_slots(strategy, game)]
    return list({id(each.variable): each for each in reversed(owned)}.values())[::-1]


def _variables(strategy: Strategy, game: Game) -> Iterator[OwnedVariable]:
    for network in _NETWORKS:
        model = getattr(game.networks, network)
        yield from owned_by(network, model, weights=(*strategy.phases[network].trains, *game.networks.held_weights))


def owned_by(network: PhaseName, model: Model, weights: Sequence[Variable]) -> Iterator[OwnedVariable]:
    """Yield each variable of a network with its kind; `weights` are those that a phase trains."""
    trained = {id(weight) for weight in weights}
    constrained = {id(variable) for variable in overwritten(model)}
    for variable in model.weights:
        kind: Kind = "constraint" if id(variable) in constrained else "weights" if id(variable) in trained else "state"
        yield OwnedVariable(network, kind, variable_name(variable), variable)


def _slots(strategy: Strategy, game: Game) -> Iterator[OwnedVariable]:
    """Yield the variables of the optimizers, those of their loss scales too.

    A shared optimizer has the same number of slots for each weight, the generator's first; those of optimism come after
    all others. Its step counters are listed as the generator's.
    """
    if not game.optimizers.shared:
        for network in _NETWORKS:
            for slot in game.optimizers.variables(network):
                yield OwnedVariable(network, "slots", variable_name(slot), slot)
        return
    blocks: dict[str, list[Variable]] = {"counters": [], "slots": [], "previous steps": []}
    for slot in game.optimizers.variables("generator"):
        kind = "previous steps" if PREVIOUS_STEP in variable_name(slot) else "slots"
        blocks[kind if len(slot.shape) else "counters"].append(slot)
    weights = [len(strategy.phases[network].trains) for network in _NETWORKS]
    for kind, slots in blocks.items():
        first = len(slots) if kind == "counters" else len(slots) * weights[0] // sum(weights)
        for number, slot in enumerate(slots):
            yield OwnedVariable("generator" if number < first else "discriminator", "slots", variable_name(slot), slot)


def differing(
    phase: PhaseName,
    owned: Sequence[OwnedVariable],
    before: _Values,
    after: _Values,
    *,
    held: Sequence[Variable] = (),
) -> Iterator[Entry]:
    """Yield an entry for each variable: how far a phase moved it, from its value `before` to that `after`."""
    held_ids = {id(variable) for variable in held}
    for (network, kind, name, variable), old, new in zip(owned, before, after, strict=True):
        role: Role = "held" if id(variable) in held_ids else "active" if network == phase else "frozen"
        if kind == "constraint" and not _is_multiple(new, old):
            kind = "weights"  # an optimizer moved it, for its own layer only divides it
        elements = int(np.count_nonzero(_bits(old) != _bits(new)))
        moved = float(np.abs(new.astype(np.float64) - old.astype(np.float64)).max(initial=0.0))
        yield Entry(phase, network, kind, name, role, old.shape, elements, moved)


def _is_multiple(new: NDArray[Any], old: NDArray[Any]) -> bool:
    """Return whether a kernel is a multiple of another, but for rounding.

    Under mixed precision the multiple is computed in half precision, and its values have not more digits than that.
    (An optimizer that does nothing but decay weights would make a multiple too.)
    """
    first, second = new.astype(np.float64).ravel(), old.astype(np.float64).ravel()
    distance = np.linalg.norm(first - second * (first @ second) / (second @ second or 1.0))
    with np.errstate(over="ignore"):
        is_half = np.array_equal(new, new.astype(np.float16)) or _is_bfloat16(new)
    return bool(distance <= (5e-3 if is_half else 1e-5) * np.linalg.norm(first))


def _is_bfloat16(value: NDArray[Any]) -> bool:
    """Return whether single-precision values have no more digits than a bfloat16, which is their upper half."""
    return value.dtype == np.float32 and not (value.view(np.uint32) & 0xFFFF).any()


def _bits(value: NDArray[Any]) -> NDArray[Any]:
    """Return the bits of each element, as an unsigned integer."""
    return value.view(f"u{value.itemsize}")


def _advance_error(owned: Sequence[OwnedVariable], start: _Values, one_by_one: _Values, advanced: _Values) -> float:
    """Return |advanced - one_by_one| / |one_by_one - start| in the worst group of variables.

    It is infinite if only `advance` moves, if a distance is NaN, or if the optimizers' counters differ.
    """
    rows = sorted(zip(owned, start, one_by_one, advanced, strict=True), key=lambda row: row[0][:2])
    worst = 0.0
    for _, group in groupby(rows, key=lambda row: row[0][:2]):
        counters, others = [], []
        for row in group:
            (counters if row[0].kind == "slots" and not row[1].shape else others).append(row[1:])
        if any(stepped != jumped for _, stepped, jumped in counters):
            return np.inf
        before, stepped, jumped = zip(*others, strict=True) if others else ((), (), ())
        if all(np.array_equal(a, b, equal_nan=True) for a, b in zip(stepped, jumped, strict=True)):
            continue
        difference, moved = _distance(jumped, stepped), _distance(stepped, before)
        error = difference / moved if moved else np.inf
        worst = np.inf if np.isnan(error) else max(worst, error)
    return worst


def _distance(first: _Values, second: _Values) -> float:
    squares = (float(np.sum(np.square(a.astype(np.float64) - b))) for a, b in zip(first, second, strict=True))
    return float(np.sqrt(sum(squares)))


def shared_variables(generator: Model, discriminator: Model) -> Iterator[str]:
    """Yield a message for each variable that belongs to both networks."""
    of_generator = {id(variable) for variable in generator.weights}
    for variable in discriminator.weights:
        if id(variable) in of_generator:
            yield f"{variable_name(variable)} belongs to both networks"


def variable_name(variable: Variable) -> str:
    """Return the name of a variable, without the ":0" of TensorFlow."""
    return getattr(variable, "path", variable.name).removesuffix(":0")
