"""The loop's exact tape of events, with parts that only count."""

from pathlib import Path

import numpy as np
import pytest

from ganfreeze import events
from ganfreeze.loop import Cadence, Diverged, Span, train
from ganfreeze.strategy.base import Strategy


class Counting(Strategy):
    """Remembers what it was asked for; its loss is the step, and from `breaks` on it is no number."""

    phases = {}  # noqa: RUF012

    def __init__(self, breaks=10**9):
        self.spans, self.breaks = [], breaks

    def advance(self, streams, step, steps):
        self.spans.append((step, steps))
        return {"loss": float("nan") if step + steps > self.breaks else float(step)}


def tape(strategy, cadence):
    images = np.zeros((4, 2, 2, 1), np.uint8)
    return train(
        strategy=strategy,
        streams=None,  # pyright: ignore[reportArgumentType]
        measures=[lambda: {"a": 1.0}, lambda: {"b": 2.0}],
        pictures={"samples": lambda: images, "samples_ema": lambda: images},
        save=lambda: Path("weights"),
        cadence=cadence,
    )


def brief(event):
    match event:
        case events.Measured(step, values):
            return step, sorted(values.keys() - {"steps_per_second"})
        case events.Images(step, name, _):
            return step, name
        case _:
            return event


def test_the_tape():
    strategy = Counting()
    assert [brief(event) for event in tape(strategy, Cadence(steps=25, log=10, evaluate=15))] == [
        events.Started(0, 25),
        *[(0, "samples"), (0, "samples_ema")],
        (10, ["loss"]),
        (15, ["loss"]),
        *[(15, ["a"]), (15, ["b"]), (15, "samples"), (15, "samples_ema")],
        (20, ["loss"]),
        (25, ["loss"]),
        *[(25, ["a"]), (25, ["b"]), (25, "samples"), (25, "samples_ema")],
        events.Saved(25, Path("weights")),
        events.Ended(25),
    ]
    assert strategy.spans == [(0, 10), (10, 5), (15, 5), (20, 5)]


def test_the_rate_is_told_with_the_scalars():
    scalars = [event.values for event in tape(Counting(), Cadence(20, 5, 100)) if isinstance(event, events.Measured)]
    rates = [values["steps_per_second"] for values in scalars if "loss" in values]
    assert len(rates) == 4
    assert min(rates) > 0


def test_a_loss_that_is_no_number_is_recorded_and_ends_the_run():
    seen = []
    with pytest.raises(Diverged, match="loss not finite between steps 10 and 20"):
        for event in tape(Counting(breaks=15), Cadence(40, 10, 40)):
            seen.append(event)
    assert isinstance(seen[-1], events.Measured)
    assert np.isnan(seen[-1].values["loss"])


@pytest.mark.parametrize("cadence", [Cadence(1, 10, 10), Cadence(100, 7, 30), Cadence(60, 20, 20), Cadence(9, 1, 4)])
@pytest.mark.parametrize("begin", [0, 5, 60])
def test_spans_end_where_something_is_due(cadence, begin):
    ends, step = {}, begin
    for span in cadence.spans(begin):
        step += span.steps
        ends[step] = span.evaluate
    inner = range(begin + 1, cadence.steps)
    due = {s for s in inner if s % cadence.log == 0 or s % cadence.evaluate == 0} | {cadence.steps}
    assert set(ends) == (due if begin < cadence.steps else set())
    assert all(ends[s] == (s % cadence.evaluate == 0 or s == cadence.steps) for s in ends)


def test_nothing_is_left_to_do_at_the_end():
    assert list(Cadence(50, 10, 10).spans(50)) == []
    assert list(Cadence(50, 100, 100).spans(0)) == [Span(50, True)]
