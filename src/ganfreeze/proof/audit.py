"""The proof of what each phase moves, variable by variable: snapshot -> phase -> difference -> restore.

Before training starts each phase is run on a real batch, and what it moved is compared with what it may move. Also a
variable must belong to one network only, and one `advance` must do what the phases do one by one. Then everything is
put back, bit for bit. `ganfreeze.proof.ledger` says what is made of it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ganfreeze.data.streams import Streams
from ganfreeze.proof.ledger import Entry, Kind, Ledger, Role
from ganfreeze.proof.snapshot import Snapshot, values
from ganfreeze.strategy.base import Game, Strategy
from ganfreeze.strategy.engine import phases
from ganfreeze.types import PhaseName, Variable

_NETWORKS: tuple[PhaseName, PhaseName] = ("generator", "discriminator")
_TOLERANCE = 0.05  # of the way that a group goes in a step: room for rounding that Adam enlarges, not for a lost phase

_Values = Sequence[NDArray[Any]]


class OwnedVariable(NamedTuple):
    """A variable, the network it belongs to, and what it is there."""

    network: PhaseName
    kind: Kind
    name: str
    variable: Variable


def audit(strategy: Strategy, game: Game, streams: Streams) -> Ledger:
    """Run each phase on the batches of step 0, take the differences, and put everything back.

    Each phase has run before it is measured: what a train function does may depend on when it was traced.
    """
    owned = inventory(strategy, game)
    variables = [each.variable for each in owned]
    start, average = Snapshot(variables), Snapshot(game.average.variables)
    inputs = phases.step_inputs(game.update, streams, 0)
    given: dict[PhaseName, Any] = {call.phase: each for call, each in zip(game.update.calls(), inputs, strict=True)}
    for name, each in given.items():
        strategy.phases[name].run(*each)
    start.restore()

    entries: list[Entry] = []
    for name, each in given.items():
        strategy.phases[name].run(*each)
        entries += _entries(name, game, owned, start.values, values(variables))
        start.restore()

    phases.run_step(strategy.phases, game.update, inputs)
    one_by_one = values(variables)
    start.restore()
    strategy.advance(streams, 0, 1)
    error = _advance_error(owned, start.values, one_by_one, values(variables))
    start.restore()
    average.restore()

    faults = list(_shared_variables(game))
    if error > _TOLERANCE:
        far = f"by {error:.0%} of their way" if np.isfinite(error) else "altogether"
        faults.append(f"one step by advance() misses the phases run one by one {far}")
    return Ledger(entries, faults, error)


def inventory(strategy: Strategy, game: Game) -> Sequence[OwnedVariable]:
    """Every variable of both networks and of their optimizers, each once."""
    owned = [*_variables(strategy, game), *_slots(strategy, game)]
    return list({id(each.variable): each for each in reversed(owned)}.values())[::-1]


def _variables(strategy: Strategy, game: Game) -> Iterator[OwnedVariable]:
    for network in _NETWORKS:
        weights = {id(each) for each in (*strategy.phases[network].trains, *game.networks.held_weights)}
        for variable in getattr(game.networks, network).weights:
            kind: Kind = "weights" if id(variable) in weights else "state"
            yield OwnedVariable(network, kind, _name(variable), variable)


def _slots(strategy: Strategy, game: Game) -> Iterator[OwnedVariable]:
    """A shared optimizer keeps as many slots for each weight, the generator's first; what counts its steps goes with
    the generator's."""
    if not game.optimizers.shared:
        for network in _NETWORKS:
            for slot in getattr(game.optimizers, network).variables:
                yield OwnedVariable(network, "slots", _name(slot), slot)
        return
    slots = sorted(game.optimizers.generator.variables, key=lambda slot: len(slot.shape) > 0)  # the counters first
    counters = sum(len(slot.shape) == 0 for slot in slots)
    weights = [len(strategy.phases[network].trains) for network in _NETWORKS]
    first = counters + (len(slots) - counters) * weights[0] // sum(weights)
    for number, slot in enumerate(slots):
        yield OwnedVariable("generator" if number < first else "discriminator", "slots", _name(slot), slot)


def _entries(
    phase: PhaseName, game: Game, owned: Sequence[OwnedVariable], before: _Values, after: _Values
) -> Iterator[Entry]:
    held = {id(variable) for variable in game.networks.held_weights}
    for (network, kind, name, variable), old, new in zip(owned, before, after, strict=True):
        role: Role = "held" if id(variable) in held else "active" if network == phase else "frozen"
        elements = int((_bits(old) != _bits(new)).any(axis=1).sum())
        moved = float(np.abs(new.astype(np.float64) - old.astype(np.float64)).max(initial=0.0))
        yield Entry(phase, network, kind, name, role, old.shape, elements, moved)


def _bits(value: NDArray[Any]) -> NDArray[np.uint8]:
    return np.frombuffer(value.tobytes(), np.uint8).reshape(value.size, -1)


def _advance_error(owned: Sequence[OwnedVariable], start: _Values, one_by_one: _Values, advanced: _Values) -> float:
    """|advanced - one_by_one| / |one_by_one - start| in the worst group; infinite where only `advance` moves, where a
    figure is no number, or where the optimizers' counters differ."""
    rows = sorted(zip(owned, start, one_by_one, advanced, strict=True), key=lambda row: row[0][:2])
    worst = 0.0
    for _, group in groupby(rows, key=lambda row: row[0][:2]):
        counters, others = [], []
        for row in group:
            (counters if row[0].kind == "slots" and not row[1].shape else others).append(row[1:])
        if any(stepped != jumped for _, stepped, jumped in counters):
            return np.inf
        before, stepped, jumped = zip(*others, strict=True) if others else ((), (), ())
        if all(np.array_equal(one, two, equal_nan=True) for one, two in zip(stepped, jumped, strict=True)):
            continue
        missed, went = _distance(jumped, stepped), _distance(stepped, before)
        error = missed / went if went else np.inf
        worst = np.inf if np.isnan(error) else max(worst, error)
    return worst


def _distance(one: _Values, other: _Values) -> float:
    return float(
        np.sqrt(sum(float(np.sum(np.square(a.astype(np.float64) - b))) for a, b in zip(one, other, strict=True)))
    )


def _shared_variables(game: Game) -> Iterator[str]:
    networks = {network: getattr(game.networks, network).weights for network in _NETWORKS}
    counts = Counter(id(variable) for weights in networks.values() for variable in {id(v): v for v in weights}.values())
    for variable in networks["discriminator"]:
        if counts[id(variable)] > 1:
            yield f"{_name(variable)} belongs to both networks"


def _name(variable: Variable) -> str:
    return getattr(variable, "path", variable.name).removesuffix(":0")
