"""The loop yields an exact sequence of events. Its parts only count here."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from ganfreeze import events, signals
from ganfreeze.loop import Cadence, Diverged, Evaluation, Span, train
from ganfreeze.strategy.base import Strategy


class CountingStrategy(Strategy):
    """A strategy that records its calls. Its loss is the step, or NaN if the call ends after the step `diverges_at`."""

    phases = {}  # noqa: RUF012

    def __init__(self, diverges_at=10**9):
        self.calls, self.diverges_at = [], diverges_at

    def advance(self, streams, step, steps):
        self.calls.append((step, steps))
        return {"loss": float("nan") if step + steps > self.diverges_at else float(step)}


class CountingCheckpoints:
    """Checkpoints that are only noted: the steps at which they were saved."""

    def __init__(self, step=0, finite_saves=10**9):
        self.step, self.saved, self.finite_saves = step, [], finite_saves

    def restore(self):
        return self.step

    def save(self, step):
        self.saved.append(step)

    def is_finite(self):
        return self.step not in self.saved or len(self.saved) < self.finite_saves


def train_counting(strategy, cadence, checkpoints=None, glances=(), **options):
    images = np.zeros((4, 2, 2, 1), np.uint8)
    return train(
        strategy=strategy,
        streams=None,  # pyright: ignore[reportArgumentType]
        evaluation=Evaluation(
            measures=[lambda: {"a": 1.0}, lambda: {"b": 2.0}],
            glances=glances,
            pictures={"samples": lambda: images, "samples_ema": lambda: images},
            save_if_best=lambda step, metrics: Path("best") if step == 15 and metrics == {"a": 1.0, "b": 2.0} else None,
        ),
        checkpoints=checkpoints or CountingCheckpoints(),
        save=lambda: Path("weights"),
        cadence=cadence,
        **options,
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
    strategy, checkpoints = CountingStrategy(), CountingCheckpoints()
    cadence = Cadence(steps=25, log=10, evaluate=15, save=10)
    assert [brief(event) for event in train_counting(strategy, cadence, checkpoints)] == [
        events.Started(0, 25),
        (0, "samples"),
        (0, "samples_ema"),
        events.Due(0, 10),
        (10, ["loss"]),
        events.Due(10, 5),
        (15, ["loss"]),
        (15, ["a"]),
        (15, ["b"]),
        (15, "samples"),
        (15, "samples_ema"),
        events.Saved(15, Path("best"), "best"),
        events.Due(15, 5),
        (20, ["loss"]),
        events.Due(20, 5),
        (25, ["loss"]),
        (25, ["a"]),
        (25, ["b"]),
        (25, "samples"),
        (25, "samples_ema"),
        events.Saved(25, Path("weights")),
        events.Ended(25),
    ]
    assert strategy.calls == [(0, 10), (10, 5), (15, 5), (20, 5)]
    assert checkpoints.saved == [0, 10, 15, 20, 25], "before the first step, at its cadence, and before each evaluation"


def test_a_run_goes_on_from_its_checkpoint_and_makes_the_evaluation_that_was_due_again():
    strategy, checkpoints = CountingStrategy(), CountingCheckpoints(15)
    cadence = Cadence(steps=25, log=10, evaluate=15, save=10)
    assert [brief(event) for event in train_counting(strategy, cadence, checkpoints)][:6] == [
        events.Started(15, 25),
        (15, ["a"]),
        (15, ["b"]),
        (15, "samples"),
        (15, "samples_ema"),
        events.Saved(15, Path("best"), "best"),
    ]
    assert strategy.calls == [(15, 5), (20, 5)]
    assert checkpoints.saved == [20, 25]


def test_where_no_evaluation_was_due_none_is_made_again():
    events_after_resume = list(train_counting(CountingStrategy(), Cadence(25, 10, 15, 10), CountingCheckpoints(20)))
    first = [brief(event) for event in events_after_resume][:3]
    assert first == [events.Started(20, 25), events.Due(20, 5), (25, ["loss"])]


def test_a_glance_is_made_between_evaluations_and_with_each_and_saves_nothing():
    checkpoints = CountingCheckpoints()
    cadence = Cadence(steps=25, log=25, evaluate=15, save=25, glance=10)
    recorded = train_counting(CountingStrategy(), cadence, checkpoints, glances=[lambda: {"light": 1.0}])
    expected = {0: ["light"], 10: ["light"], 15: ["light", "a", "b"], 20: ["light"], 25: ["light", "a", "b"]}
    measured: dict[int, list[str]] = {}
    drawn = []
    for event in recorded:
        match event:
            case events.Measured(step, metrics) if "loss" not in metrics:
                measured.setdefault(step, []).extend(metrics)
            case events.Sampled(step, "samples", _):
                drawn.append(step)
    assert measured == expected
    assert drawn == [0, 10, 15, 20, 25]
    assert checkpoints.saved == [0, 15, 25]


def test_a_run_goes_on_and_makes_the_glance_that_was_due_again():
    cadence = Cadence(steps=20, log=10, evaluate=20, save=10, glance=10)
    recorded = train_counting(CountingStrategy(), cadence, CountingCheckpoints(10), glances=[lambda: {"light": 1.0}])
    assert [brief(event) for event in recorded][:3] == [events.Started(10, 20), (10, ["light"]), (10, "samples")]


def test_a_glance_leaves_out_what_cannot_be_measured_and_ends_no_run():
    """An evaluation ends the run: that at step 20."""

    def diverge():
        raise Diverged("the samples are not finite")

    recorded = []
    with pytest.raises(Diverged, match="the samples are not finite"):
        cadence = Cadence(steps=20, log=10, evaluate=20, save=20, glance=10)
        strategy = CountingStrategy()
        for event in train_counting(strategy, cadence, CountingCheckpoints(5), glances=[diverge]):
            recorded.append(brief(event))
    assert recorded == [
        events.Started(5, 20),
        events.Due(5, 5),
        (10, ["loss"]),
        (10, "samples"),
        (10, "samples_ema"),
        events.Due(10, 10),
        (20, ["loss"]),
    ]


def test_no_glance_is_made_of_a_variable_that_is_not_finite():
    checkpoints = CountingCheckpoints(finite_saves=1)
    with pytest.raises(Diverged, match="a variable is not finite after step 10") as raised:
        list(train_counting(CountingStrategy(), Cadence(30, 5, 30, 30, 10), checkpoints))
    assert raised.value.steps == (1, 10)


def test_a_variable_that_is_not_finite_is_never_saved():
    """All metrics are finite: the last step of a span made it so, after it computed its loss."""
    checkpoints = CountingCheckpoints(finite_saves=3)
    with pytest.raises(Diverged, match="a variable is not finite after step 30") as raised:
        list(train_counting(CountingStrategy(), Cadence(100, 5, 100, 10), checkpoints))
    assert raised.value.steps == (21, 30)
    assert checkpoints.saved == [0, 10, 20]


@pytest.fixture
def signals_caught():
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signals.catch()
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_end_of_a_span_and_a_checkpoint(signals_caught, number):
    class Interrupted(CountingStrategy):
        def advance(self, streams, step, steps):
            if step == 10:
                os.kill(os.getpid(), number)
            return super().advance(streams, step, steps)

    strategy, checkpoints, seen = Interrupted(), CountingCheckpoints(), []
    with pytest.raises(KeyboardInterrupt) as raised:
        seen += map(brief, train_counting(strategy, Cadence(100, 10, 100, 100), checkpoints))
    assert raised.value.args == (number,)
    assert strategy.calls == [(0, 10), (10, 10)], "the span was trained to its end"
    assert checkpoints.saved == [0, 20]


def test_a_signal_is_repeated_for_another_run_of_the_process(signals_caught):
    strategy, checkpoints = CountingStrategy(), CountingCheckpoints()
    run = train_counting(strategy, Cadence(100, 10, 100, 100), checkpoints)
    while next(run) != events.Due(20, 10):
        pass
    with signals.repeated(signal.SIGTERM), pytest.raises(KeyboardInterrupt) as raised:
        list(run)
    assert raised.value.args == (signal.SIGTERM,)
    assert (strategy.calls[-1], checkpoints.saved) == ((20, 10), [0, 30])


def test_a_second_signal_does_not_wait(signals_caught, monkeypatch):
    monkeypatch.setattr(signals, "_ONE", 0.0)

    class Interrupted(CountingStrategy):
        def advance(self, streams, step, steps):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
            return super().advance(streams, step, steps)

    strategy, checkpoints = Interrupted(), CountingCheckpoints()
    with pytest.raises(KeyboardInterrupt):
        list(train_counting(strategy, Cadence(100, 10, 100, 100), checkpoints))
    assert (strategy.calls, checkpoints.saved) == ([], [0])


def test_two_signals_at_once_are_one(signals_caught):
    """Ctrl-C reaches all processes of a terminal, and a launcher then ends its jobs by SIGTERM."""
    with signals.held() as interruption:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
    assert interruption.number == signal.SIGINT


def test_a_tolerant_run_goes_on_and_leaves_out_what_cannot_be_measured():
    def diverge():
        raise Diverged("the samples are not finite")

    images = np.zeros((4, 2, 2, 1), np.uint8)
    recorded = train(
        strategy=CountingStrategy(diverges_at=5),
        streams=None,  # pyright: ignore[reportArgumentType]
        evaluation=Evaluation(
            measures=[diverge, lambda: {"b": 2.0}],
            glances=[],
            pictures={"samples": lambda: images, "samples_ema": diverge},
            save_if_best=lambda step, metrics: None,
        ),
        checkpoints=CountingCheckpoints(20),
        save=lambda: Path("weights"),
        cadence=Cadence(30, 10, 30, 30),
        tolerant=True,
    )
    expected = [
        events.Started(20, 30),
        events.Due(20, 10),
        (30, ["loss"]),
        (30, ["b"]),
        (30, "samples"),
        events.Saved(30, Path("weights")),
        events.Ended(30),
    ]
    assert [brief(event) for event in recorded] == expected


def test_the_rate_is_measured_with_the_losses():
    measured = [
        event.metrics
        for event in train_counting(CountingStrategy(), Cadence(20, 5, 100, 100))
        if isinstance(event, events.Measured)
    ]
    rates = [metrics["steps_per_second"] for metrics in measured if "loss" in metrics]
    assert len(rates) == 4
    assert min(rates) > 0


def test_a_loss_that_is_not_a_number_is_recorded_and_ends_the_run():
    recorded = []
    with pytest.raises(Diverged, match="loss not finite between steps 10 and 20") as raised:
        for event in train_counting(CountingStrategy(diverges_at=15), Cadence(40, 10, 40, 40)):
            recorded.append(event)
    assert isinstance(recorded[-1], events.Measured)
    assert np.isnan(recorded[-1].metrics["loss"])
    assert raised.value.steps == (11, 20)


@pytest.mark.parametrize(
    "cadence",
    [Cadence(1, 10, 10, 10), Cadence(100, 7, 30, 9), Cadence(60, 20, 20, 20, 11), Cadence(9, 1, 4, 3, 2)],
)
@pytest.mark.parametrize("begin", [0, 5, 60])
def test_spans_end_at_every_log_evaluation_and_checkpoint(cadence, begin):
    ends, step = {}, begin
    for span in cadence.spans(begin):
        step += span.steps
        ends[step] = span
    inner = range(begin + 1, cadence.steps)
    cadences = [every for every in cadence[1:] if every]
    due = {end for end in inner if not all(end % every for every in cadences)}
    assert set(ends) == (due | {cadence.steps} if begin < cadence.steps else set())
    for end, span in ends.items():
        evaluate = end % cadence.evaluate == 0 or end == cadence.steps
        assert span.save == (evaluate or end % cadence.save == 0)
        assert span.measure == (evaluate or (cadence.glance is not None and end % cadence.glance == 0))


def test_no_span_follows_the_last_step():
    assert list(Cadence(50, 10, 10, 10).spans(50)) == []
    assert list(Cadence(50, 100, 100, 100).spans(0)) == [Span(50, True, True)]
