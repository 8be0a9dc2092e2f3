"""Several seeds of a variant as one program: each has a strategy of its own, and they advance together."""

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any

from ganfreeze.backend import tensorflow as tf
from ganfreeze.data.streams import StackedStreams, Streams
from ganfreeze.step_rate import StepRate
from ganfreeze.strategy.base import Game, Strategy
from ganfreeze.strategy.engine.fused import Fused
from ganfreeze.types import Metrics, Tensor, Variable


class Together:
    """The games of several seeds, by the numbers of their seats, and `joint`, a strategy for their stacked game.

    Between the spans of steps each game's own variables hold its state. So whatever reads or restores them needs to
    know nothing of the others. A span stacks the states, trains all seeds in one program, and takes the states apart.
    """

    def __init__(self, games: Mapping[int, Game], streams: Sequence[Streams], stacked: Game, joint: Fused) -> None:
        self._rows = {number: row for row, number in enumerate(games)}
        self._joint, self._streams, self._rate = joint, StackedStreams(streams), StepRate()
        self._pairs = list(zip(_state(stacked), zip(*map(_state, games.values()), strict=True), strict=True))
        self._gather = tf.function(self._stack, autograph=False)
        self._scatter = tf.function(self._take_apart, autograph=False)
        self._metrics: dict[int, Metrics] = {}  # of the seats that were trained and have not asked yet

    def advance(self, number: int, step: int, steps: int, due: Mapping[int, tuple[int, int]]) -> Metrics | None:
        """Train all seats that are due, and return the metrics of one, and how many steps per second each makes.

        `due` has the next step of each seat that still trains, and how many steps it takes then. None is returned if
        they are not due to the same steps.
        """
        if number not in self._metrics:
            if set(due.values()) != {(step, steps)}:
                return None
            began, is_due = perf_counter(), tf.constant([each in due for each in self._rows])
            self._gather(is_due)
            means = self._joint.means(self._streams, step, steps)
            self._scatter(is_due)
            rate = {"steps_per_second": self._rate.after(steps, perf_counter() - began)}
            for each in due:
                self._metrics[each] = {name: float(mean[self._rows[each]]) for name, mean in means.items()} | rate
        return self._metrics.pop(number)

    def has_trained(self, number: int) -> bool:
        """Return whether a seat was trained in the turn of another, and has not asked for its metrics yet."""
        return number in self._metrics

    def _stack(self, is_due: Tensor) -> None:
        first = tf.argmax(tf.cast(is_due, tf.int32))  # a seat that has ended is behind in what all have in common
        for stacked, own in self._pairs:
            values = tf.stack([tf.convert_to_tensor(variable) for variable in own])
            stacked.assign(values if _is_stacked(stacked, own) else values[first])

    def _take_apart(self, is_due: Tensor) -> None:
        for stacked, own in self._pairs:
            value = tf.convert_to_tensor(stacked)
            for row, variable in enumerate(own):
                new = value[row] if _is_stacked(stacked, own) else value
                variable.assign(tf.where(is_due[row], new, tf.convert_to_tensor(variable)))


class Seat(Strategy):
    """The strategy of one seed among several.

    It advances by `together(step, steps)`. If that returns None, it advances by its own strategy.
    """

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
