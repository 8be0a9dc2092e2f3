"""What a study suggests, counts and gives up: Optuna alone, without TensorFlow."""

import math

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from ganfreeze.app.search import search, space_of
from ganfreeze.errors import BadInput
from ganfreeze.record.study import Ended, Study

SEEDS = 3
TYPED = ("optimizer.generator_rate=tag(log, interval(1e-5, 1e-3))", "loss=hinge,minimax", "seed=0,1,2", "steps=20")


class Killed(Exception):
    """The process of a search has died."""


class Training:
    """Trains nothing: the figure is the distance of the rate from 1e-4 in decades, and a little more for each seed."""

    def __init__(self, *, deaths=(), bad=None):
        self.jobs, self._deaths, self._bad = [], list(deaths), bad

    def __call__(self, trials, step):
        if self._deaths and self._deaths[0] == len(self.jobs):
            self._deaths.pop(0)
            raise Killed
        self.jobs += trials
        return {number: self._ended(trial, step) for number, trial in trials.items()}

    def _ended(self, trial, step):
        if self._bad and trial.number in self._bad:
            return self._bad[trial.number]
        distance = abs(math.log10(trial.values["optimizer.generator_rate"]) + 4)
        return Ended(distance + (trial.values["loss"] == "minimax") + step / 100)


def space(*typed):
    return space_of(OverridesParser.create().parse_overrides(list(typed)))


def study(folder, **options):
    return Study(folder / "study.db", space(*TYPED).open, "classifier/fid", larger_is_better=False, **options)


def reopened(one):
    """Let go of a study, as the death of its process does."""
    one._lock.release()


def run(folder, training, *, total=12, size=1, **options):
    one = study(folder, **options)
    try:
        search(one, SEEDS, training, size=size, total=total)
        return one.findings()
    finally:
        reopened(one)


@pytest.mark.parametrize("size", [1, 2])
def test_a_search_that_was_killed_ends_with_the_same_trials(tmp_path, size):
    (tmp_path / "whole").mkdir(), (tmp_path / "killed").mkdir()
    whole = run(tmp_path / "whole", Training(), size=size)
    dying = Training(deaths=[0, 4, 8, 12])
    for _ in range(4):
        with pytest.raises(Killed):
            run(tmp_path / "killed", dying, size=size)
    assert run(tmp_path / "killed", dying, size=size) == whole
    assert [trial.number for trial in whole.trials] == list(range(12))


def test_the_total_counts_and_a_study_that_is_complete_trains_nothing(tmp_path):
    run(tmp_path, Training(), total=3)
    again = Training()
    run(tmp_path, again, total=3)
    assert again.jobs == []
    assert len(run(tmp_path, again, total=5).trials) == 5


def test_the_value_is_that_of_all_seeds_and_the_best_is_the_least(tmp_path):
    found = run(tmp_path, Training(), pruner="none")
    for trial in found.trials:
        assert trial.value == pytest.approx(sum(trial.figures) / SEEDS)
    assert found.best == min(found.trials, key=lambda trial: trial.value).number
    assert sum(found.importances.values()) == pytest.approx(1)


def test_a_trial_that_is_worse_than_the_median_is_pruned_after_its_first_seed(tmp_path):
    training = Training()
    found = run(tmp_path, training, total=20)
    pruned = [trial for trial in found.trials if trial.state == "PRUNED"]
    assert pruned
    for trial in pruned:
        earlier = [other.figures[0] for other in found.trials[: trial.number] if other.state == "COMPLETE"]
        assert len(earlier) >= 5
        assert trial.figures[0] > sorted(earlier)[(len(earlier) - 1) // 2]
        assert (len(trial.figures), trial.value) == (1, None)
    assert len(training.jobs) == 20 * SEEDS - 2 * len(pruned)


def test_wilcoxon_prunes_what_is_surely_worse_than_the_best_over_the_same_seeds(tmp_path):
    def train(trials, step):
        distances = {
            number: abs(math.log10(trial.values["optimizer.generator_rate"]) + 4) for number, trial in trials.items()
        }
        return {number: Ended(distance * (1 + step / 10)) for number, distance in distances.items()}

    one = study(tmp_path, pruner="wilcoxon")
    search(one, 6, train, size=1, total=6)
    pruned = [trial for trial in one.findings().trials if trial.state == "PRUNED"]
    assert pruned
    assert all(len(trial.figures) == 4 for trial in pruned), "with three seeds p is 1/8 at least"
    reopened(one)


def test_a_trial_without_a_figure_ends_and_the_search_goes_on(tmp_path):
    bad = {1: Ended(None, "out of disk"), 2: Ended(None, "step 3: NaN", hopeless=True)}
    found = run(tmp_path, Training(bad=bad), total=4)
    assert [trial.state for trial in found.trials] == ["COMPLETE", "FAIL", "PRUNED", "COMPLETE"]
    assert [trial.why for trial in found.trials[1:3]] == ["out of disk", "step 3: NaN"]


def test_equal_trials_share_their_jobs(tmp_path):
    typed = space("loss=hinge,minimax", "seed=0,1,2")
    one = Study(tmp_path / "study.db", typed.open, "classifier/fid", larger_is_better=False, pruner="none")
    jobs = []

    def train(trials, step):
        jobs.extend(trials)
        return {number: Ended(float(trial.values["loss"] == "hinge")) for number, trial in trials.items()}

    search(one, SEEDS, train, size=2, total=6)
    assert len(set(jobs)) == 2 * SEEDS
    assert len(one.findings().trials) == 6
    reopened(one)


def test_two_processes_do_not_search_one_study(tmp_path):
    one = study(tmp_path)
    with pytest.raises(BadInput, match="another process searches this study now"):
        study(tmp_path)
    reopened(one)


def test_what_is_open_is_what_was_typed():
    found = space(*TYPED)
    assert found.fixed == ["steps=20"]
    assert found.seeds == ["seed=0", "seed=1", "seed=2"]
    assert found.first == {"optimizer.generator_rate": 1e-5, "loss": "hinge"}
    assert space("batch_size=range(16,65,16)", "seed=range(2)").seeds == ["seed=0", "seed=1"]


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        (["seed=0,1", "steps=20"], "there is nothing to search"),
        (["loss=hinge,minimax", "seed=interval(0,5)"], "seeds are repeats of a trial"),
        (["optimizer.generator_rate=interval(1e-3,1e-5)"], "must go from a smaller to a larger number"),
        (["optimizer.beta1=tag(log, interval(0,0.9))"], "needs an interval of numbers above 0"),
    ],
)
def test_what_cannot_be_searched_is_refused(typed, sentence):
    with pytest.raises(BadInput, match=sentence):
        space(*typed)
