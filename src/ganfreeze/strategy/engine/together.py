"""Several seeds of a variant as one program: each has a strategy of its own, and they advance together."""

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any

from ganfreeze.backend import tensorflow as tf
from ganfreeze.data.streams import StackedStreams, Streams
from ganfreeze.strategy.base import Game, Strategy
from ganfreeze.strategy.engine.fused import Fused
from ganfreeze.types import Metrics, Variable


class Together:
    """The games of several seeds, by the numbers of their seats, and `joint`, a strategy for their stacked game.

    Between the spans of steps each game's own variables hold its state. So whatever reads or restores them needs to
    know nothing of the others. A span stacks the states, trains all seeds in one program, and takes the states apart.
    """

    def __init__(self, games: Mapping[int, Game], streams: Sequence[Streams], stacked: Game, joint: Fused) -> None:
        self._rows = {number: row for row, number in enumerate(games)}
        self._joint, self._streams = joint, StackedStreams(streams)
        self._pairs = list(zip(_state(stacked), zip(*map(_state, games.values()), strict=True), strict=True))
        self._gather = tf.function(self._stack, autograph=False)
        self._scatter = tf.function(self._take_apart, autograph=False)
        self._metrics: dict[int, Metrics] = {}  # of the seats that were trained and have not asked yet

    def advance(self, number: int, step: int, steps: int, due: Mapping[int, tuple[int, int]]) -> Metrics | None:
        """Train all seats that are due, and return the metrics of one, and the rate of all in steps per second.

        Return None if the seats are not due to the same steps.

        `due` has the next step of each seat that still trains, and how many steps it takes then.
        """
        if number not in self._metrics:
            if set(due.values()) != {(step, steps)}:
                return None
            began = perf_counter()
            self._gather()
            means = self._joint.means(self._streams, step, steps)
            self._scatter()
            rate = {"steps_per_second": steps / (perf_counter() - began)}  # only this call knows how long it took
            for each in due:
                self._metrics[each] = {name: float(mean[self._rows[each]]) for name, mean in means.items()} | rate
        return self._metrics.pop(number)

    def _stack(self) -> None:
        for stacked, own in self._pairs:
            values = [tf.convert_to_tensor(variable) for variable in own]
            stacked.assign(tf.stack(values) if _is_stacked(stacked, own) else values[0])

    def _take_apart(self) -> None:
        for stacked, own in self._pairs:
            value = tf.convert_to_tensor(stacked)
            for row, variable in enumerate(own):
                variable.assign(value[row] if _is_stacked(stacked, own) else value)


class Seat(Strategy):
    """The strategy of one seed among several: it advances by `together`, or by its own strategy where that is None."""

    def __init__(self, own: Strategy, together: Callable[[int, int], Metrics | None]) -> None:
        self.phases, self.judge = own.phases, own.judge
        self._own, self._together = own, together

    def advance(self, streams: Any, step: int, steps: int) -> Metrics:
        metrics = self._together(step, steps)
        return self._own.advance(streams, step, steps) if metrics is None else metrics


def _state(game: Game) -> list[Variable]:
    """Return everything that training changes in a game. Counts and rates of optimizers are those of all seeds."""
    networks, optimizers = game.networks, game.optimizers
    return [
        *networks.generator.variables,
        *networks.discriminator.variables,
        *optimizers.variables("generator"),
        *optimizers.variables("discriminator"),
        *game.average.variables,
    ]


def _is_stacked(stacked: Variable, own: Sequence[Variable]) -> bool:
    return len(stacked.shape) > len(own[0].shape)
