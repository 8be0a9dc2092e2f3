"""Train several seeds of a variant in one program: `seeds_at_once`. Each has a run, a folder and a record of its own.

The runs take turns in one thread. Each pauses before its next span of steps. When all of them wait there, the first
that goes on trains the span for all.
"""

import contextlib
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from ganfreeze import signals
from ganfreeze.app.parse_config import Variant
from ganfreeze.app.training_setup import TrainingSetup
from ganfreeze.errors import BadInput, Diverged, Refused
from ganfreeze.events import Due
from ganfreeze.gan.averaging import ExponentialAverage, NoAverage
from ganfreeze.gan.stacked import StackedLoss, StackedModel, stacked
from ganfreeze.strategy.base import Game, Strategy
from ganfreeze.strategy.engine.fused import Fused
from ganfreeze.strategy.engine.together import Seat, Together
from ganfreeze.types import Metrics

Ended = TypeVar("Ended")
Run = Generator[Due, None, Ended]


class Begin(Protocol):
    """Begins a run. `strategy_of` makes the strategy that trains it."""

    def __call__(self, variant: Variant, *, strategy_of: Callable[[Variant, TrainingSetup], Strategy]) -> Run[Any]: ...


def train(variants: Sequence[Variant], begin: Begin) -> None:
    """Train these variants, which differ in their seeds, in one program. `begin` begins the run of each.

    A seed that fails ends its own run only. After an interruption each run saves its state.

    Raises:
        BadInput, Diverged: of the first seed that failed, when the others have ended.
    """
    seats = _Seats()
    runs = {number: begin(variant, strategy_of=seats.takes(number)) for number, variant in enumerate(variants)}
    failures: list[BadInput | Diverged] = []
    due: dict[int, tuple[int, int]] = {}
    turn = list(runs)
    while turn:
        for number in turn:
            try:
                event = next(runs[number])
                due[number] = event.step, event.steps
            except (StopIteration, BadInput, Diverged) as ended:
                failures += [ended] if isinstance(ended, BadInput | Diverged) else []
                due.pop(number, None)
            except KeyboardInterrupt as interruption:
                due.pop(number, None)
                _interrupt([runs[other] for other in due], interruption)
                raise
        seats.wait_for(due)
        turn = [number for number, (step, _) in due.items() if step == min(each for each, _ in due.values())]
    if failures:
        raise failures[0]


def _interrupt(others: Sequence[Run[Any]], interruption: KeyboardInterrupt) -> None:
    """End other runs too, each after its next span, as if the signal had come to them."""
    with signals.repeated(*interruption.args):
        for run in others:
            with contextlib.suppress(KeyboardInterrupt, StopIteration, BadInput, Diverged):
                next(run)


class _Seats:
    """The seats of the seeds that train. They are joined when the first of them advances."""

    def __init__(self) -> None:
        self._setups: dict[int, tuple[Variant, TrainingSetup]] = {}
        self._together: Together | None = None
        self._due: dict[int, tuple[int, int]] = {}

    def takes(self, number: int) -> Callable[[Variant, TrainingSetup], Strategy]:
        """Return what makes the strategy of a seed."""

        def take(variant: Variant, setup: TrainingSetup) -> Strategy:
            if setup.game.networks.seed is not None:
                raise Refused(
                    "seeds_at_once: the networks have random layers, such as Dropout; train one seed at a time"
                )
            self._setups[number] = variant, setup
            return Seat(setup.strategy, lambda step, steps: self._advance(number, step, steps))

        return take

    def wait_for(self, due: dict[int, tuple[int, int]]) -> None:
        """Note the next span of every seed that trains."""
        self._due = dict(due)

    def _advance(self, number: int, step: int, steps: int) -> Metrics | None:
        self._together = self._together or join(self._setups)
        return self._together.advance(number, step, steps, self._due)


def join(setups: Mapping[int, tuple[Variant, TrainingSetup]]) -> Together:
    """Join seeds that differ in nothing else, by the numbers of their seats, to one program."""
    variant, _ = next(iter(setups.values()))
    games = {number: setup.game for number, (_, setup) in setups.items()}
    streams = [setup.streams for _, setup in setups.values()]
    game = _stacked_game(variant, list(games.values()))
    joint = variant.strategy.build(game)
    assert isinstance(joint, Fused)
    return Together(games, streams, game, joint)


def _stacked_game(variant: Variant, games: Sequence[Game]) -> Game:
    networks, settings = stacked([game.networks for game in games]), variant.settings
    averages = [game.average.generator for game in games if game.average.generator]
    return replace(
        games[0],
        networks=networks,
        loss=StackedLoss(variant.loss),
        optimizers=variant.optimizer.build(
            keras=games[0].keras,
            schedule=variant.schedule,
            update=variant.update,
            steps=settings.steps,
            precision=settings.precision,
        ),
        average=ExponentialAverage(settings.ema, of=networks.generator, generator=StackedModel(averages))
        if averages and settings.ema
        else NoAverage(),
    )
