"""Train several seeds of a variant in one program: `seeds_at_once`. Each has a run, a folder and a record of its own.

The runs take turns in one thread. Each pauses before its next span of steps. When all of them wait there, the first
that goes on trains the span for all.
"""

import contextlib
import signal
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from ganfreeze import signals
from ganfreeze.app.parse_config import Variant
from ganfreeze.app.process import prepare_process
from ganfreeze.app.training_setup import TrainingSetup, build_networks
from ganfreeze.data.dataset.base import Dataset
from ganfreeze.errors import BadInput, Diverged, Refused, interruption
from ganfreeze.events import Due
from ganfreeze.gan.averaging import ExponentialAverage, NoAverage
from ganfreeze.gan.stacked import StackedLoss, StackedModel, stacked
from ganfreeze.strategy.base import Game, Strategy
from ganfreeze.strategy.engine.fused import Fused
from ganfreeze.strategy.engine.together import Seat, Together
from ganfreeze.types import Metrics

Run = Generator[Due, None, Any]


class Begin(Protocol):
    """Begins a run. `strategy_of` makes the strategy that trains it."""

    def __call__(self, variant: Variant, *, strategy_of: Callable[[Variant, TrainingSetup], Strategy]) -> Run: ...


def train(variants: Sequence[Variant], begin: Begin) -> None:
    """Train these variants, which differ in their seeds, in one program. `begin` begins the run of each.

    A seed that fails ends its own run only. After an interruption the other runs end too: after the same span, where
    one was trained for all; otherwise they go on from their latest checkpoints.

    Raises:
        BadInput, Diverged, OSError: seeds failed, and the others have ended; it says which, and why.
    """
    seats = _Seats()
    runs = {number: begin(variant, strategy_of=seats.takes(number)) for number, variant in enumerate(variants)}
    failures: dict[int, BadInput | Diverged | OSError] = {}
    due: dict[int, tuple[int, int]] = {}
    turn = list(runs)
    while turn:
        for number in turn:
            try:
                event = next(runs[number])
                due[number] = event.step, event.steps
            except StopIteration:
                due.pop(number, None)
            except (BadInput, Diverged, OSError) as failure:
                due.pop(number, None)
                failures[variants[number].settings.seed] = failure
            except BaseException as error:
                _end({other: runs[other] for other in due if other != number}, seats, interruption(error))
                raise
        seats.wait_for(due)
        turn = [number for number, (step, _) in due.items() if step == min(each for each, _ in due.values())]
    if failures:
        kind = type(next(iter(failures.values())))
        raise kind("\n".join(f"seed={seed}: {failure}" for seed, failure in failures.items()))


def _end(others: Mapping[int, Run], seats: "_Seats", cause: KeyboardInterrupt | None) -> None:
    """End other runs. One whose span was trained already saves it, as if the signal had come to it in this span."""
    signal_number = cause.args[0] if cause and cause.args else signal.SIGTERM
    for number, run in others.items():
        with contextlib.suppress(KeyboardInterrupt, StopIteration, BadInput, Diverged, OSError):
            if seats.has_trained(number):
                with signals.repeated(signal_number):
                    next(run)
            else:
                run.throw(KeyboardInterrupt(signal_number))


def require_stackable(variant: Variant, dataset: Dataset) -> None:
    """Build the networks of a variant, and raise Refused if they have random layers."""
    keras = variant.load_keras()
    prepare_process(variant.settings, keras)
    if build_networks(variant, dataset.example_shape, keras).seed is not None:
        architecture = variant.words["architecture"]
        raise Refused(
            f"seeds_at_once: architecture={architecture} has random layers, such as Dropout; train one seed at a time"
        )


class _Seats:
    """The seats of the seeds that train. They are joined when the first of them advances."""

    def __init__(self) -> None:
        self._setups: dict[int, tuple[Variant, TrainingSetup]] = {}
        self._together: Together | None = None
        self._due: dict[int, tuple[int, int]] = {}

    def takes(self, number: int) -> Callable[[Variant, TrainingSetup], Strategy]:
        """Return what makes the strategy of a seed."""

        def take(variant: Variant, setup: TrainingSetup) -> Strategy:
            self._setups[number] = variant, setup
            return Seat(setup.strategy, lambda step, steps: self._advance(number, step, steps))

        return take

    def wait_for(self, due: dict[int, tuple[int, int]]) -> None:
        """Note the next span of every seed that trains."""
        self._due = dict(due)

    def has_trained(self, number: int) -> bool:
        """Return whether the next span of a seed was trained in the turn of another."""
        return self._together is not None and self._together.has_trained(number)

    def _advance(self, number: int, step: int, steps: int) -> Metrics | None:
        if self._due.get(number) != (step, steps):  # it takes steps again, to explain what went wrong in them
            return None
        self._together = self._together or join(self._setups)
        metrics = self._together.advance(number, step, steps, self._due)
        del self._due[number]
        return metrics


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
