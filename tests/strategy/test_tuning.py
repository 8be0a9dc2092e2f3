"""The fastest way to run the steps is measured, stored, and recorded with its reason."""

import time

import numpy as np
import pytest
from conftest import values

from ganfreeze.strategy.base import Execution
from ganfreeze.strategy.engine import tuning
from ganfreeze.strategy.engine.tuning import Choice


class Sleeping:
    """A strategy whose steps only sleep, and take so many seconds each."""

    def __init__(self, seconds):
        self.seconds, self.steps = seconds, 0

    def advance(self, streams, step, steps):
        self.steps += steps
        time.sleep(self.seconds * steps)


def test_the_fastest_is_chosen_and_a_hopeless_one_is_not_measured_further():
    slow, fast, hopeless = Execution(False, 1), Execution(False, 10), Execution(True, 10)
    strategies = {slow: Sleeping(0.004), fast: Sleeping(0.002), hopeless: Sleeping(0.1)}
    choice = tuning.choose(list(strategies), lambda execution: (strategies[execution], None))
    assert choice.execution == fast
    assert strategies[hopeless].steps == 4, "two steps to compile and two to measure"
    for part in ("jit=off fused_steps=1 ", "jit=off fused_steps=10 ", "jit=on fused_steps=10 "):
        assert part in choice.why


def test_a_candidate_that_does_not_run_is_left_out():
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


def test_a_choice_is_stored_and_a_damaged_file_is_replaced(tmp_path, caplog):
    calls = []

    def measure():
        """Return a different choice at each call."""
        calls.append(1)
        return Choice(Execution(True, len(calls)), "measured")

    folder = tmp_path / "execution"
    first = tuning.cached_choice(folder, {"batch_size": 1}, measure)
    second = tuning.cached_choice(folder, {"batch_size": 1}, measure)
    assert first == Choice(Execution(True, 1), "measured")
    assert second.execution == first.execution
    (file,) = folder.iterdir()
    assert second.why == f"measured (kept in {file})"
    assert tuning.cached_choice(folder, {"batch_size": 2}, measure).execution == Execution(True, 2)
    file.write_text("[true")
    assert tuning.cached_choice(folder, {"batch_size": 1}, measure).execution == Execution(True, 3)
    no_folder = tmp_path / "file"
    no_folder.write_text("")
    assert tuning.cached_choice(no_folder, {}, measure).execution == Execution(True, 4)
    assert "cannot be written" in caplog.text


@pytest.fixture
def build_fastest(parse, digits, tmp_path):
    """Build a variant as a run does, and return it with the choice of how its steps run."""
    from ganfreeze.app import execution

    def build(*overrides):
        variant = parse("evaluator=none", "batch_size=16", f"paths.cache={tmp_path}", *overrides)
        return execution.build_fastest(variant, digits)

    return build


def generator_weights(setup):
    return values(setup.game.networks.generator)


def largest_difference(first, second):
    return max(float(np.abs(a - b).max()) for a, b in zip(first, second, strict=True))


def test_candidates_are_measured_on_copies(build_fastest):
    """The chosen variant starts, and trains, exactly as one that was never measured."""
    measured, choice = build_fastest("steps=2000")
    assert choice.why.startswith("steps/s measured: jit=off fused_steps=1 ")
    assert "jit=on fused_steps=50 " in choice.why
    start = generator_weights(measured)
    jit, fused_steps = ("on" if choice.execution.jit else "off"), choice.execution.fused_steps
    plain, configured = build_fastest("steps=2000", f"jit={jit}", f"fused_steps={fused_steps}")
    assert configured.why == "as configured, or the only way"
    assert largest_difference(start, generator_weights(plain)) == 0
    for setup in (measured, plain):
        setup.strategy.advance(setup.streams, 0, 4)
    assert largest_difference(generator_weights(measured), generator_weights(plain)) == 0
    assert build_fastest("steps=2000")[1].why.endswith(".json)")


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
def test_short_runs_and_variants_without_a_choice_are_not_measured(build_fastest, overrides, expected):
    assert build_fastest("steps=1000", *overrides)[1].execution == expected
