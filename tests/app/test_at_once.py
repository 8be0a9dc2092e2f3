"""Several seeds in one program: each is trained as it would be alone, to rounding, and each is a run of its own."""

import json
import signal

import numpy as np
import programs
import pytest
from conftest import TINY, values
from mlflow import MlflowClient
from test_divergence import UNSTABLE
from test_sweep_ledger import folders, run, statuses, wait_for_step

from ganfreeze import signals
from ganfreeze.app import at_once, training_setup
from ganfreeze.app.seeds import name_of_seed, single_seeds
from ganfreeze.errors import Diverged, Refused
from ganfreeze.events import Due
from ganfreeze.record import final_weights, run_folder
from ganfreeze.strategy.base import Execution

SEEDS = 3  # 0, 1 and 2
MLP = (*TINY, "keras=keras3")


class Runs:
    """Runs that only train: from `first` steps on, by seed, to step 24 in spans of 8. They note what they measured."""

    def __init__(self, first=(0, 0, 0), ends=None):
        """`ends` has the step after which a seed raises an error, and the error. First it takes its last span again."""
        self.first, self.ends, self.setups, self.measured, self.interrupted = first, ends or {}, {}, {}, {}

    def begin(self, variant, *, strategy_of):
        seed = variant.settings.seed
        setup = self.setups[seed] = training_setup.build(variant, variant.source.load(), Execution(False, 4))
        strategy = strategy_of(variant, setup)
        step, measured = 0, self.measured.setdefault(seed, [])
        if self.first[seed]:
            setup.strategy.advance(setup.streams, 0, self.first[seed])
            step = self.first[seed]
        self._end(seed, step)
        while step < 24:
            yield Due(step, 8)
            with signals.held() as interruption:
                measured.append(strategy.advance(setup.streams, step, 8))
            step += 8
            if interruption:
                self.interrupted[seed] = step
                raise KeyboardInterrupt(interruption.number)
            if seed in self.ends:
                strategy.advance(setup.streams, step - 8, 8)
            self._end(seed, step)

    def _end(self, seed, step):
        if seed in self.ends and self.ends[seed][0] == step:
            raise self.ends[seed][1]

    def weights(self, seed):
        return weights(self.setups[seed])


def weights(setup):
    networks, average = setup.game.networks, setup.game.average.generator
    return [*values(networks.generator), *values(networks.discriminator), *(values(average) if average else [])]


def alone(variant, steps=24):
    """Train a seed by itself, and return its weights and the means of its metrics over the last eight steps."""
    execution = Execution(False, 4)
    setup = training_setup.build(variant, variant.source.load(), execution)
    metrics = [setup.strategy.advance(setup.streams, step, 8) for step in range(0, steps, 8)]
    return weights(setup), metrics[-1]


def difference(first, second):
    return max(float(np.abs(a - b).max()) for a, b in zip(first, second, strict=True))


def variants_of(parse, *choice):
    return single_seeds(parse(f"seeds_at_once={SEEDS}", *choice))


@pytest.mark.parametrize(
    "choice",
    [
        (*MLP, "ema=0.9"),
        (*MLP, "loss=relativistic", "update=simultaneous", "packing=2"),
        (*MLP, "loss=wasserstein", "regularizer=weight_clip", "optimizer=rmsprop", "update=extragradient"),
        (*MLP, "update=optimistic", "update.noise=reused", "update.batches=split", "fused_steps=3"),
        ("keras=keras3", "architecture=dcgan", "architecture.filters=4", "batch_size=8"),
        ("keras=keras3", "dataset=ring", "evaluator=none", "architecture=maxout", "batch_size=8"),
    ],
    ids=["ema", "packs", "clipped", "split", "batch_norm", "points"],
)
def test_seeds_in_one_program_are_trained_as_they_are_alone(parse, choice):
    """In double precision a difference below 1e-9 is only rounding. Another seed is another result."""
    variants, runs = variants_of(parse, "precision=float64", *choice)[1:], Runs()
    at_once.train(variants, runs.begin)
    expected, metrics = alone(variants[1])
    assert difference(runs.weights(2), expected) < 1e-9
    assert difference(runs.weights(2), runs.weights(1)) > 1e-3
    last = runs.measured[2][-1]
    assert {name: last[name] for name in metrics} == pytest.approx(metrics, rel=1e-6)
    assert last["steps_per_second"] > 0


def test_a_seed_that_is_behind_catches_up_alone(parse):
    variants, runs = variants_of(parse, "precision=float64", *MLP), Runs(first=(16, 0, 8))
    at_once.train(variants, runs.begin)
    assert difference(runs.weights(0), alone(variants[0])[0]) < 1e-9
    together = [["steps_per_second" in metrics for metrics in runs.measured[seed]] for seed in range(SEEDS)]
    assert together == [[True], [False, False, True], [False, True]], "together only where all have the same step"


def test_a_seed_that_ends_does_not_end_the_others(parse):
    variants, runs = variants_of(parse, "precision=float64", *MLP), Runs(ends={1: (8, Diverged("seed 1 ends", (8, 8)))})
    with pytest.raises(Diverged, match="seed 1 ends"):
        at_once.train(variants, runs.begin)
    assert [len(runs.measured[seed]) for seed in range(SEEDS)] == [3, 1, 3]
    for seed in (0, 2):
        assert difference(runs.weights(seed), alone(variants[seed])[0]) < 1e-9


def test_an_interruption_reaches_every_seed_where_its_state_is_whole(parse):
    """The first seed trains a span for all, and is then interrupted. The others take that span before they end."""

    runs = Runs(ends={0: (8, KeyboardInterrupt(signal.SIGTERM))})
    variants = variants_of(parse, "precision=float64", *MLP)
    with pytest.raises(KeyboardInterrupt):
        at_once.train(variants, runs.begin)
    assert runs.interrupted == {1: 8, 2: 8}
    assert difference(runs.weights(1), alone(variants[1], steps=8)[0]) < 1e-9


def test_an_interruption_between_two_spans_trains_nothing_more(parse):
    """The last seed is interrupted before its first span. The others wait for theirs."""
    runs = Runs(ends={2: (0, KeyboardInterrupt(signal.SIGTERM))})
    with pytest.raises(KeyboardInterrupt):
        at_once.train(variants_of(parse, *MLP), runs.begin)
    assert runs.measured == {0: [], 1: [], 2: []}


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        ("strategy=compile", "seeds_at_once=3 does not go with strategy=compile; it goes with strategy=tape"),
        ("keras=keras2", "does not go with keras=keras2"),
        ("regularizer=r1", "does not go with regularizer=r1"),
        ("on_nan=skip", "does not go with on_nan=skip"),
        ("cadence.audit=10", "does not go with cadence.audit=10; .* cadence.audit=null"),
    ],
)
def test_what_cannot_be_stacked_is_refused_by_name(parse, choice, sentence):
    with pytest.raises(Refused, match=sentence):
        parse("seeds_at_once=3", *MLP, choice)


def test_random_layers_are_refused_by_name(parse):
    [first, *_] = variants_of(parse, *MLP, "architecture.dropout=0.5")
    with pytest.raises(Refused, match="seeds_at_once: architecture=mlp has random layers"):
        at_once.require_stackable(first, first.source.load())


def test_a_run_is_called_by_its_own_seed():
    assert name_of_seed("tape seed=8 seeds_at_once=4 steps=9", 9) == "tape steps=9 seed=9"


def test_each_seed_is_a_run_and_the_command_goes_on_with_all_of_them(tmp_path):
    """The sweep is interrupted, and goes on. The ledger knows each seed, and each run can be sampled from."""
    command = ("-m", "strategy=tape", "keras=keras3", "seeds_at_once=3", *TINY, "evaluator=none", "audit=off")
    command = (*command, "cadence.glance=null", "cadence.log=10", "cadence.save=100", "steps=1500")
    first = programs.Program(programs.with_store(tmp_path), "train", *command)
    wait_for_step(tmp_path, first, 100, count=SEEDS)
    first.send(signal.SIGTERM)
    assert first.end().returncode == 143
    noted = [run_folder.progress(each) for each in folders(tmp_path)]
    assert [(each.status, each.at_once) for each in noted] == [("KILLED", SEEDS)] * SEEDS
    code, output, errors = run(tmp_path, *command)
    assert code == 0, errors
    assert output.count("goes on at step") == SEEDS
    assert statuses(tmp_path) == {"0": "FINISHED", "1": "FINISHED", "2": "FINISHED"}
    _, listed, _ = run(tmp_path, program="sweeps")
    assert " 3 " in listed
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlruns' / 'mlflow.db'}")
    last = max(client.search_runs(["1"]), key=lambda each: int(each.data.params["seed"]))
    _, sampled, errors = run(tmp_path, f"run={last.info.run_id}", program="sample")
    assert "64 samples" in sampled, errors


def test_each_seed_keeps_its_own_best_weights(tmp_path):
    ring = ("dataset=ring", "evaluator=mixture", "evaluator.samples=500")
    words = (*ring, "seeds_at_once=3", "keras=keras3", "keep.best=mixture/modes")
    ended = programs.run(
        programs.with_store(tmp_path), "train", *words, *TINY, "audit=off", "cadence.evaluate=40", "steps=200"
    )
    assert ended.returncode == 0, ended.stderr
    client, digests = MlflowClient(f"sqlite:///{tmp_path / 'mlruns' / 'mlflow.db'}"), set()
    for folder in folders(tmp_path):
        best = json.loads((folder / "checkpoints" / "best.json").read_text())
        [[identity, _]] = json.loads((folder / "delivered.json").read_text()).values()
        modes = client.get_metric_history(identity, "mixture/modes")
        first = max(modes, key=lambda each: (each.value, -each.step))
        assert (best["value"], best["step"]) == (first.value, first.step)
        assert "best/generator.weights.h5" in {file.path for file in client.list_artifacts(identity, "best")}
        digests.add(final_weights.digest(folder / "best"))
    assert len(digests) == SEEDS


def test_seeds_that_give_nan_go_on_if_they_are_told_to(tmp_path):
    words = ("seeds_at_once=2", "keras=keras3", *UNSTABLE, "on_nan=continue")
    ended = programs.run(programs.with_store(tmp_path), "train", *words)
    assert ended.returncode == 0, ended.stderr
    assert [run_folder.progress(each).status for each in folders(tmp_path)] == ["FINISHED"] * 2
