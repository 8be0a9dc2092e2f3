"""The audit finds what it should, in strategies as they are and in ones broken on purpose, and leaves no trace."""

import json

import numpy as np
import pytest
from conftest import bits, words
from hydra.utils import instantiate

from ganfreeze.app.config import assemble as join
from ganfreeze.app.config import networks
from ganfreeze.errors import Refused
from ganfreeze.proof import audit
from ganfreeze.proof.ledger import Violation
from ganfreeze.proof.snapshot import values
from ganfreeze.proof.watch import WatchedStrategy
from ganfreeze.strategy.base import Strategy
from ganfreeze.strategy.engine import phases
from ganfreeze.strategy.engine.tapes import TapedPhases

SMALL = ("architecture=dcgan", "architecture.filters=4", "batch_size=8")


class Broken(Strategy):
    """Taped phases, one of them with a fault of the test's choosing; `advance` runs the phases, `late` others."""

    def __init__(self, game, learn=None, fool=None, late=None):
        taped = TapedPhases(game)
        self.phases = phases.make_phases(game, learn=learn or taped.learn, fool=fool or taped.fool)
        self._advanced = late(self.phases) if late else self.phases
        self._update, self.taped = game.update, taped

    def advance(self, streams, step, steps):
        given = phases.step_inputs(self._update, streams, step)
        return phases.mean(phases.run_step(self._advanced, self._update, given))


@pytest.fixture
def game(assemble):
    """A game under the tape, on Keras 2; its own strategy is not used."""

    def game(*overrides):
        made, _, streams = assemble(*SMALL, *overrides)
        return made, streams

    return game


def scalars(**values):
    return {"discriminator_loss": 0.0, "accuracy_real": 0.0, "accuracy_fake": 0.0, **values}


def test_a_leaking_strategy_is_caught(game):
    made, streams = game()
    taped = TapedPhases(made)
    kernel = made.networks.discriminator.trainable_variables[0]

    def fool_and_touch(real, latent):
        found = taped.fool(real, latent)
        kernel.assign_add(1e-6 * np.ones(kernel.shape))
        return found

    ledger = audit.audit(Broken(made, fool=fool_and_touch), made, streams)
    assert ledger.verdict == "violation"
    assert ledger.violations == [
        f"in the generator phase frozen weights of the discriminator moved: {kernel.name[:-2]}"
    ]
    moved = [
        entry for entry in ledger.entries if entry.phase == "generator" and entry.role == "frozen" and entry.elements
    ]
    assert {entry.variable for entry in moved if entry.kind == "weights"} == {kernel.name[:-2]}
    assert max(entry.moved for entry in moved if entry.kind == "weights") == pytest.approx(1e-6, rel=0.1)


def test_one_flipped_bit_is_caught(game):
    """Adding a denormal to a bias of exactly 0 is a change that no tolerance would see."""
    made, streams = game()
    taped = TapedPhases(made)
    bias = next(each for each in made.networks.discriminator.trainable_variables if "bias" in each.name)

    def fool_and_touch(real, latent):
        bias[0].assign(np.float32(1e-45))
        return taped.fool(real, latent)

    ledger = audit.audit(Broken(made, fool=fool_and_touch), made, streams)
    frozen = [each for each in ledger.entries if (each.phase, each.variable) == ("generator", bias.name[:-2])]
    assert [each.elements for each in frozen if each.kind == "weights"] == [1]
    assert ledger.verdict == "violation"


def test_an_optimizer_that_never_steps_is_caught(game):
    made, streams = game()

    def learn_nothing(real, latent):
        return scalars()

    ledger = audit.audit(Broken(made, learn=learn_nothing), made, streams)
    assert ledger.violations == ["in the discriminator phase the discriminator did not move: none of its weights"]


def test_a_forgotten_layer_is_caught(game):
    """All but one kernel of the active network move."""
    made, streams = game()
    taped = TapedPhases(made)
    kernel = made.networks.generator.trainable_variables[0]

    def fool_but_one(real, latent):
        before = kernel.numpy()
        found = taped.fool(real, latent)
        kernel.assign(before)
        return found

    ledger = audit.audit(Broken(made, fool=fool_but_one), made, streams)
    assert ledger.violations == [
        f"in the generator phase active weights of the generator did not move: {kernel.name[:-2]}"
    ]


def test_a_shared_variable_is_caught(check, digits):
    """A generator that holds the discriminator, as if it were a layer of its own."""
    from dataclasses import replace

    chosen = check(*SMALL)
    keras = instantiate(chosen.cfg.keras)
    pair = networks(chosen, digits, keras)
    critic = pair.discriminator(pair.generator.output)
    images = pair.generator.output + 0 * keras.layers.Reshape((1, 1, 1))(critic)
    pair = replace(pair, generator=keras.Model(pair.generator.input, images, name="generator"))
    made = join(chosen, digits, pair, keras=keras)
    ledger = audit.audit(made.strategy, made.game, made.streams)
    shared = [each for each in ledger.violations if each.endswith("belongs to both networks")]
    assert len(shared) == len(pair.discriminator.weights)
    assert ledger.verdict == "violation"


def test_an_advance_that_is_not_its_phases_is_caught(game):
    made, streams = game()

    def without_learning(own):
        return {**own, "discriminator": own["discriminator"]._replace(run=lambda real, latent: scalars())}

    ledger = audit.audit(Broken(made, late=without_learning), made, streams)
    assert ledger.violations == ["one step by advance() misses the phases run one by one altogether"]


@pytest.mark.parametrize("keras", words("keras"))
@pytest.mark.parametrize("strategy", words("strategy"))
def test_everything_is_put_back_bit_for_bit(assemble, strategy, keras):
    """With what is held, and one optimizer for both; the same of plain variants is in test_freeze_matrix.py."""
    more = ("update=seed", "update.optimizers=shared", "freeze=lower", "optimizer=rmsprop")
    try:
        made, built, streams = assemble(*SMALL, f"strategy={strategy}", f"keras={keras}", *more)
    except Refused:
        assert strategy == "tfgan"
        return
    before = bits(made)
    ledger = audit.audit(built, made, streams)
    assert bits(made) == before
    assert ledger.advance_error < 1e-4
    held = [entry for entry in ledger.entries if entry.role == "held"]
    assert {entry.variable for entry in held} == {audit._name(variable) for variable in made.networks.held_weights}
    assert len(held) == 4, "a kernel and a bias in two phases"
    assert not any(entry.elements for entry in held), "FreezeD holds in every phase"


def test_every_variable_is_in_one_group(assemble):
    for keras in words("keras"):
        for shared in ("separate", "shared"):
            made, built, _ = assemble(*SMALL, f"keras={keras}", f"update.optimizers={shared}")
            owned = audit.inventory(built, made)
            assert len({id(each.variable) for each in owned}) == len(owned)
            for network in ("generator", "discriminator"):
                weights = getattr(made.networks, network).trainable_variables
                slots = [each for each in owned if each[:2] == (network, "slots") and each.variable.shape != ()]
                assert len(slots) == 2 * len(weights), "Adam keeps two for each weight"
                assert [tuple(each.variable.shape) for each in slots[::2]] == [tuple(each.shape) for each in weights]
                state = [each.name for each in owned if each[:2] == (network, "state")]
                assert state
                assert all("moving" in name for name in state)


DIRAC = ("dataset=dirac", "architecture=dirac", "evaluator=none")


@pytest.mark.parametrize(
    "choice",
    [
        ("loss=hinge",),
        ("architecture.theta=0.0", "architecture.psi=0.0"),
        ("loss=wasserstein", "regularizer=weight_clip", "regularizer.bound=1.0", "optimizer=sgd"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("keras", words("keras"))
def test_standing_still_for_a_good_reason_is_no_violation(assemble, keras, choice):
    """A gradient of exactly 0, an equilibrium, a bound: the optimizer has stepped. Where it has not, that is caught."""
    made, built, streams = assemble(*DIRAC, f"keras={keras}", *choice)
    ledger = audit.audit(built, made, streams)
    assert ledger.verdict == "clean"
    assert ledger.still
    made, built, streams = assemble(*DIRAC, "strategy=compile", "keras=keras3", *choice)
    if "regularizer=weight_clip" not in choice:
        assert audit.audit(built, made, streams).verdict == "violation"


def test_a_counter_that_jumps_and_a_figure_that_is_none_are_caught():
    start = [np.array(0, np.int64), np.zeros(3, np.float32)]
    owned = [
        audit.OwnedVariable("generator", "slots", "iteration", None),
        audit.OwnedVariable("generator", "weights", "w", None),
    ]
    one = [np.array(1, np.int64), np.ones(3, np.float32)]
    assert audit._advance_error(owned, start, one, one) == 0
    assert audit._advance_error(owned, start, one, [np.array(2, np.int64), one[1]]) == np.inf
    assert audit._advance_error(owned, start, one, [one[0], one[1] * np.nan]) == np.inf
    assert audit._advance_error(owned, start, one, [one[0], one[1] * 1.5]) == pytest.approx(0.5)
    none = [one[0], one[1] * np.nan]
    assert audit._advance_error(owned, start, none, none) == 0, "both diverge: that is for the loop to tell"


def test_the_ledger_can_be_read(game):
    made, streams = game()
    strategy = Broken(made)
    ledger = audit.audit(strategy, made, streams)
    assert ledger.verdict == "state leaks"
    assert ledger.tags() == {"audit": "state leaks", "audit.leaks": "discriminator, generator"}
    again = json.loads(json.dumps(ledger.json()))
    assert len(again["entries"]) == len(ledger.entries) == 2 * len(audit.inventory(strategy, made))
    assert again["violations"] == []
    lines = ledger.table().splitlines()
    assert lines[0] == "verdict: state leaks"
    assert sum("elements moved" in line for line in lines) == 1
    ledger.require("tape", "")


def test_the_message_names_the_cause_and_what_works(assemble):
    made, built, streams = assemble(*SMALL, "strategy=compile", "keras=keras3")
    ledger = audit.audit(built, made, streams)
    with pytest.raises(Violation) as raised:
        ledger.require("compile", built.diagnosis)
    for text in (
        "the discriminator did not move",
        "when a train function is traced",
        "strategy=toggle",
        "audit=record",
    ):
        assert text in str(raised.value)


# ---------------------------------------------------------------------------------------------------- in training


@pytest.mark.parametrize("strategy", ["tape", "toggle", "train_step"])
def test_a_watched_strategy_trains_as_it_would_alone(assemble, strategy):
    found = []
    for watched in (False, True):
        made, built, streams = assemble(*SMALL, f"strategy={strategy}", "keras=keras3")
        runner = WatchedStrategy(built, made, 4, tolerated=False) if watched else built
        seen = [runner.advance(streams, 0, 3), runner.advance(streams, 3, 7)]
        found.append((values([*made.networks.generator.weights, *made.networks.discriminator.weights]), seen))
    (alone, alone_scalars), (under_watch, scalars_) = found
    for a, b in zip(alone, under_watch, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    for a, b in zip(alone_scalars, scalars_, strict=True):
        assert b.pop("frozen_weights_moved") == 0.0
        assert b == pytest.approx(a, abs=1e-5)


def test_weights_that_begin_to_move_are_caught_in_training(game):
    made, streams = game()
    taped = TapedPhases(made)
    kernel = made.networks.discriminator.trainable_variables[0]
    steps = iter(range(100))

    def fool_and_touch_later(real, latent):
        if next(steps) >= 5:
            kernel[0, 0, 0, 0].assign(kernel[0, 0, 0, 0] + 1e-3)
        return taped.fool(real, latent)

    strategy = Broken(made, fool=fool_and_touch_later)
    watched = WatchedStrategy(strategy, made, 2, tolerated=False)
    for step in range(5):
        watched.advance(streams, step, 1)
    with pytest.raises(Violation, match="in the generator phase frozen weights moved"):
        for step in range(5, 8):
            watched.advance(streams, step, 1)
    tolerant = WatchedStrategy(strategy, made, 2, tolerated=True)
    assert tolerant.advance(streams, 8, 1)["frozen_weights_moved"] == 0.5
    assert "frozen_weights_moved" not in tolerant.advance(streams, 9, 1)
