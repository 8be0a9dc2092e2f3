"""The loop yields an exact sequence of events. Its parts only count here."""

from pathlib import Path

import numpy as np
import pytest

from ganfreeze import events
from ganfreeze.loop import Cadence, Diverged, Span, train
from ganfreeze.strategy.base import Strategy


class CountingStrategy(Strategy):
    """A strategy that records its calls. Its loss is the step, or NaN if the call ends after the step `diverges_at`."""

    phases = {}  # noqa: RUF012

    def __init__(self, diverges_at=10**9):
        self.calls, self.diverges_at = [], diverges_at

    def advance(self, streams, step, steps):
        self.calls.append((step, steps))
        return {"loss": float("nan") if step + steps > self.diverges_at else float(step)}


def train_counting(strategy, cadence):
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
    """Return an event without its values: the step and the names."""
    match event:
        case events.Measured(step, metrics):
            return step, sorted(metrics.keys() - {"steps_per_second"})
        case events.Sampled(step, name, _):
            return step, name
        case _:
            return event


def test_the_sequence_of_events():
    strategy = CountingStrategy()
    assert [brief(event) for event in train_counting(strategy, Cadence(steps=25, log=10, evaluate=15))] == [
        events.Started(0, 25),
        (0, "samples"),
        (0, "samples_ema"),
        (10, ["loss"]),
        (15, ["loss"]),
        (15, ["a"]),
        (15, ["b"]),
        (15, "samples"),
        (15, "samples_ema"),
        (20, ["loss"]),
        (25, ["loss"]),
        (25, ["a"]),
        (25, ["b"]),
        (25, "samples"),
        (25, "samples_ema"),
        events.Saved(25, Path("weights")),
        events.Ended(25),
    ]
    assert strategy.calls == [(0, 10), (10, 5), (15, 5), (20, 5)]


def test_the_rate_is_measured_with_the_losses():
    measured = [
        event.metrics
        for event in train_counting(CountingStrategy(), Cadence(20, 5, 100))
        if isinstance(event, events.Measured)
    ]
    rates = [metrics["steps_per_second"] for metrics in measured if "loss" in metrics]
    assert len(rates) == 4
    assert min(rates) > 0


def test_a_loss_that_is_not_a_number_is_recorded_and_ends_the_run():
    recorded = []
    with pytest.raises(Diverged, match="loss not finite between steps 10 and 20"):
        for event in train_counting(CountingStrategy(diverges_at=15), Cadence(40, 10, 40)):
            recorded.append(event)
    assert isinstance(recorded[-1], events.Measured)
    assert np.isnan(recorded[-1].metrics["loss"])


@pytest.mark.parametrize("cadence", [Cadence(1, 10, 10), Cadence(100, 7, 30), Cadence(60, 20, 20), Cadence(9, 1, 4)])
@pytest.mark.parametrize("begin", [0, 5, 60])
def test_spans_end_at_every_log_and_evaluation(cadence, begin):
    ends, step = {}, begin
    for span in cadence.spans(begin):
        step += span.steps
        ends[step] = span.evaluate
    inner = range(begin + 1, cadence.steps)
    due = {end for end in inner if end % cadence.log == 0 or end % cadence.evaluate == 0} | {cadence.steps}
    assert set(ends) == (due if begin < cadence.steps else set())
    assert all(ends[end] == (end % cadence.evaluate == 0 or end == cadence.steps) for end in ends)


def test_no_span_follows_the_last_step():
    assert list(Cadence(50, 10, 10).spans(50)) == []
    assert list(Cadence(50, 100, 100).spans(0)) == [Span(50, True)]
