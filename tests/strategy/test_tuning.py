"""The fastest way to run the steps is measured, kept and told."""

import time

import numpy as np
import pytest
from conftest import values

from ganfreeze.strategy.base import Execution
from ganfreeze.strategy.engine import tuning
from ganfreeze.strategy.engine.tuning import Choice


def apart(one, other):
    return max(float(np.abs(a - b).max()) for a, b in zip(one, other, strict=True))


class Sleeping:
    """A strategy that takes so long a step."""

    def __init__(self, seconds):
        self.seconds, self.steps = seconds, 0

    def advance(self, streams, step, steps):
        self.steps += steps
        time.sleep(self.seconds * steps)


def test_the_fastest_is_chosen_and_the_hopeless_left_early():
    slow, fast, hopeless = Execution(False, 1), Execution(False, 10), Execution(True, 10)
    strategies = {slow: Sleeping(0.004), fast: Sleeping(0.002), hopeless: Sleeping(0.1)}
    choice = tuning.choose(list(strategies), lambda each: (strategies[each], None))
    assert choice.execution == fast
    assert strategies[hopeless].steps == 4, "two to compile and two to see"
    for part in ("jit=off fused_steps=1 ", "jit=off fused_steps=10 ", "jit=on fused_steps=10 "):
        assert part in choice.why


def test_what_does_not_run_is_left_out():
    from ganfreeze.backend import tensorflow as tf

    def make(execution):
        if execution.jit:
            raise tf.errors.InvalidArgumentError(None, None, "no kernel for XLA")
        return Sleeping(0.001), None

    choice = tuning.choose([Execution(False, 5), Execution(True, 5)], make)
    assert choice.execution == Execution(False, 5)
    assert "jit=on fused_steps=5 does not run" in choice.why
    with pytest.raises(tf.errors.InvalidArgumentError):
        tuning.choose([Execution(True, 5)], make)


def test_a_choice_is_kept_and_a_damaged_one_made_again(tmp_path, caplog):
    found = []

    def find():
        found.append(1)
        return Choice(Execution(True, len(found)), "measured")

    folder = tmp_path / "execution"
    first = tuning.cached_choice(folder, {"batch_size": 1}, find)
    again = tuning.cached_choice(folder, {"batch_size": 1}, find)
    assert first == Choice(Execution(True, 1), "measured")
    assert again.execution == first.execution
    (file,) = folder.iterdir()
    assert again.why == f"measured (kept in {file})"
    assert tuning.cached_choice(folder, {"batch_size": 2}, find).execution == Execution(True, 2)
    file.write_text("[true")
    assert tuning.cached_choice(folder, {"batch_size": 1}, find).execution == Execution(True, 3)
    nowhere = tmp_path / "file"
    nowhere.write_text("")
    assert tuning.cached_choice(nowhere, {}, find).execution == Execution(True, 4)
    assert "cannot be kept" in caplog.text


@pytest.fixture
def fastest(check, digits, tmp_path):
    """The variant as a run makes it, and how it was chosen to be run."""
    from ganfreeze.app import execution

    def made(*overrides):
        variant = check("evaluator=none", "batch_size=16", f"paths.cache={tmp_path}", *overrides)
        return execution.build_fastest(variant, digits)

    return made


def test_candidates_are_measured_on_copies(fastest):
    """What is chosen starts where a variant that nobody measured does, and goes where it goes."""
    assembled, choice = fastest("steps=2000")
    assert choice.why.startswith("steps/s measured: jit=off fused_steps=1 ")
    assert "jit=on fused_steps=50 " in choice.why
    start = values(assembled.game.networks.generator)
    jit, fused_steps = ("on" if choice.execution.jit else "off"), choice.execution.fused_steps
    plain, told = fastest("steps=2000", f"jit={jit}", f"fused_steps={fused_steps}")
    assert told.why == "as configured, or the only way"
    assert apart(start, values(plain.game.networks.generator)) == 0
    for each in (assembled, plain):
        each.strategy.advance(each.streams, 0, 4)
    assert apart(values(assembled.game.networks.generator), values(plain.game.networks.generator)) == 0
    assert fastest("steps=2000")[1].why.endswith(".json)")


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ((), Execution(False, 50)),
        (("cadence.log=7",), Execution(False, 7)),
        (("fused_steps=3",), Execution(False, 3)),
        (("strategy=toggle",), Execution(False, 1)),
        (("strategy=toggle", "keras=keras3", "steps=2000"), Execution(False, 1)),
        (("jit=on",), Execution(True, 50)),
        (("eager=true",), Execution(False, 50)),
    ],
)
def test_short_runs_and_what_has_no_choice_are_not_measured(fastest, overrides, expected):
    assert fastest("steps=1000", *overrides)[1].execution == expected
