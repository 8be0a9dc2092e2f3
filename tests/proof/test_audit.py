"""The audit finds the faults of strategies, as they are or broken on purpose, and restores everything."""

import json

import numpy as np
import pytest
from conftest import TINY, bits, words

from ganfreeze.app.training_setup import build, build_networks, join
from ganfreeze.backend import tensorflow as tf
from ganfreeze.errors import Refused
from ganfreeze.gan.architecture.mlp import Mlp
from ganfreeze.gan.initializers import normal
from ganfreeze.proof import audit
from ganfreeze.proof.ledger import Violation
from ganfreeze.proof.snapshot import values
from ganfreeze.proof.watch import WatchedStrategy
from ganfreeze.strategy.base import Strategy
from ganfreeze.strategy.engine import phases
from ganfreeze.strategy.engine.tapes import TapedPhases

SMALL = ("architecture=dcgan", "architecture.filters=4", "batch_size=8")


class Broken(Strategy):
    """Taped phases, of which a test may replace one by a faulty phase.

    `advance` runs the same phases, or those that `alter` makes of them.
    """

    def __init__(self, game, discriminator=None, generator=None, alter=None):
        taped = TapedPhases(game)
        self.judge = taped.judge
        self.phases = phases.make_phases(
            game,
            discriminator=discriminator or taped.train_discriminator,
            generator=generator or taped.train_generator,
        )
        self._advanced = alter(self.phases) if alter else self.phases
        self._update = game.update

    def advance(self, streams, step, steps):
        inputs = phases.step_inputs(self._update, streams, step)
        return phases.mean(phases.run_step(self._advanced, self._update, inputs))


@pytest.fixture
def build_game(build):
    """Build a game for tapes, on Keras 2, and its streams. Its own strategy is not used."""

    def build_small_game(*overrides):
        game, _, streams = build(*SMALL, *overrides)
        return game, streams

    return build_small_game


def train_nothing(real, latent):
    """Return a discriminator phase's metrics without training."""
    return {"discriminator_loss": 0.0, "accuracy_real": 0.0, "accuracy_fake": 0.0}


def test_a_leaking_strategy_is_caught(build_game):
    game, streams = build_game()
    taped = TapedPhases(game)
    kernel = game.networks.discriminator.trainable_variables[0]

    def train_generator_and_touch(real, latent):
        metrics = taped.train_generator(real, latent)
        kernel.assign_add(1e-6 * np.ones(kernel.shape))
        return metrics

    ledger = audit.audit(Broken(game, generator=train_generator_and_touch), game, streams)
    assert ledger.verdict == "violation"
    assert ledger.violations == [
        f"in the generator phase frozen weights of the discriminator moved: {kernel.name[:-2]}"
    ]
    moved = [
        entry for entry in ledger.entries if entry.phase == "generator" and entry.role == "frozen" and entry.elements
    ]
    assert {entry.variable for entry in moved if entry.kind == "weights"} == {kernel.name[:-2]}
    assert max(entry.moved for entry in moved if entry.kind == "weights") == pytest.approx(1e-6, rel=0.1)


def test_one_flipped_bit_is_caught(build_game):
    """No tolerance would see this change: a denormal is written into a bias of exactly 0."""
    game, streams = build_game()
    taped = TapedPhases(game)
    bias = next(variable for variable in game.networks.discriminator.trainable_variables if "bias" in variable.name)

    def touch_and_train_generator(real, latent):
        bias[0].assign(np.float32(1e-45))
        return taped.train_generator(real, latent)

    ledger = audit.audit(Broken(game, generator=touch_and_train_generator), game, streams)
    frozen = [entry for entry in ledger.entries if (entry.phase, entry.variable) == ("generator", bias.name[:-2])]
    assert [entry.elements for entry in frozen if entry.kind == "weights"] == [1]
    assert ledger.verdict == "violation"


def test_an_optimizer_that_never_steps_is_caught(build_game):
    game, streams = build_game()
    ledger = audit.audit(Broken(game, discriminator=train_nothing), game, streams)
    assert ledger.violations == ["in the discriminator phase the discriminator did not move: none of its weights"]


def test_a_forgotten_layer_is_caught(build_game):
    """All but one kernel of the active network move."""
    game, streams = build_game()
    taped = TapedPhases(game)
    kernel = game.networks.generator.trainable_variables[0]

    def train_generator_but_one_kernel(real, latent):
        before = kernel.numpy()
        metrics = taped.train_generator(real, latent)
        kernel.assign(before)
        return metrics

    ledger = audit.audit(Broken(game, generator=train_generator_but_one_kernel), game, streams)
    assert ledger.violations == [
        f"in the generator phase active weights of the generator did not move: {kernel.name[:-2]}"
    ]


def test_a_shared_variable_is_caught(parse, digits):
    """The generator contains the discriminator, as if it were one of its layers."""
    from dataclasses import replace

    variant = parse(*SMALL)
    keras = variant.load_keras()
    networks = build_networks(variant, digits.example_shape, keras)
    logits = networks.discriminator(networks.generator.output)
    images = networks.generator.output + 0 * keras.layers.Reshape((1, 1, 1))(logits)
    networks = replace(networks, generator=keras.Model(networks.generator.input, images, name="generator"))
    setup = join(variant, digits, keras, networks)
    ledger = audit.audit(setup.strategy, setup.game, setup.streams)
    shared = [violation for violation in ledger.violations if violation.endswith("belongs to both networks")]
    assert len(shared) == len(networks.discriminator.weights)
    assert ledger.verdict == "violation"


def test_an_advance_that_is_not_its_phases_is_caught(build_game):
    game, streams = build_game()

    def without_discriminator_training(own):
        return {**own, "discriminator": own["discriminator"]._replace(train=train_nothing)}

    ledger = audit.audit(Broken(game, alter=without_discriminator_training), game, streams)
    assert ledger.violations == ["one step by advance() is not the phases run one by one: it differs completely"]


@pytest.mark.parametrize("keras", words("keras"))
@pytest.mark.parametrize("strategy", words("strategy"))
def test_everything_is_restored_bit_for_bit(build, strategy, keras):
    """With held weights and one optimizer for both networks. test_freeze_matrix.py has the same for plain variants."""
    more = ("update=keras_gan", "update.optimizers=shared", "freeze=lower", "optimizer=rmsprop")
    try:
        game, mechanism, streams = build(*SMALL, f"strategy={strategy}", f"keras={keras}", *more)
    except Refused:
        assert strategy == "tfgan"
        return
    before = bits(game)
    ledger = audit.audit(mechanism, game, streams)
    assert bits(game) == before
    assert ledger.advance_error < 1e-4
    held = [entry for entry in ledger.entries if entry.role == "held"]
    assert {entry.variable for entry in held} == {
        audit.variable_name(variable) for variable in game.networks.held_weights
    }
    assert len(held) == 4, "a kernel and a bias in two phases"
    assert not any(entry.elements for entry in held), "FreezeD holds them in every phase"


@pytest.mark.parametrize(("update", "slots_of_a_weight"), [("alternating", 2), ("optimistic", 3)])
def test_every_variable_is_in_one_group(build, update, slots_of_a_weight):
    """Adam keeps two slots for each weight. With optimism the last steps follow, after all of Adam's."""
    for keras in words("keras"):
        for optimizers in ("separate", "shared"):
            choice = (f"keras={keras}", f"update={update}", f"update.optimizers={optimizers}")
            game, strategy, _ = build(*SMALL, *choice)
            owned = audit.inventory(strategy, game)
            assert len({id(each.variable) for each in owned}) == len(owned)
            for network in ("generator", "discriminator"):
                weights = getattr(game.networks, network).trainable_variables
                slots = [each for each in owned if each[:2] == (network, "slots") and each.variable.shape != ()]
                assert len(slots) == slots_of_a_weight * len(weights)
                shapes = [tuple(weight.shape) for weight in weights]
                own, last_steps = slots[: 2 * len(weights)], slots[2 * len(weights) :]
                assert [tuple(slot.variable.shape) for slot in own[::2]] == shapes
                assert [tuple(slot.variable.shape) for slot in last_steps] == shapes[: len(last_steps)]
                assert all("previous_step" in slot.name for slot in last_steps)
                state = [each.name for each in owned if each[:2] == (network, "state")]
                assert state
                assert all("moving" in name for name in state)


@pytest.mark.parametrize("keras", words("keras"))
@pytest.mark.parametrize("strategy", ["tape", "tfgan", "toggle", "train_step"])
@pytest.mark.parametrize("update", ["extragradient", "optimistic"])
def test_steps_that_look_ahead_pass_the_audit_and_leave_no_trace(parse, digits, strategy, keras, update):
    setup = build(parse(*SMALL, f"strategy={strategy}", f"keras={keras}", f"update={update}", "ema=0.9"), digits)
    before = [variable.numpy().tobytes() for variable in setup.variables]
    ledger = audit.audit(setup.strategy, setup.game, setup.streams)
    assert [variable.numpy().tobytes() for variable in setup.variables] == before
    assert not ledger.violations
    assert ledger.advance_error < 1e-4


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
def test_weights_that_stand_still_for_a_good_reason_are_no_violation(build, keras, choice):
    """The reasons are a gradient of exactly 0, an equilibrium, and a bound.

    In all three cases the optimizer has stepped. If it has not, that is a violation.
    """
    game, strategy, streams = build(*DIRAC, f"keras={keras}", *choice)
    ledger = audit.audit(strategy, game, streams)
    assert ledger.verdict == "clean"
    assert ledger.unmoved
    if keras == "keras3" and "regularizer=weight_clip" not in choice:
        game, strategy, streams = build(*DIRAC, "strategy=compile", "keras=keras3", *choice)
        assert audit.audit(strategy, game, streams).verdict == "violation"


def test_a_counter_that_jumps_and_a_value_that_is_nan_are_caught():
    start = [np.array(0, np.int64), np.zeros(3, np.float32)]
    owned = [
        audit.OwnedVariable("generator", "slots", "iteration", None),
        audit.OwnedVariable("generator", "weights", "w", None),
    ]
    counter, weights = np.array(1, np.int64), np.ones(3, np.float32)
    stepped = [counter, weights]
    assert audit._advance_error(owned, start, stepped, stepped) == 0
    assert audit._advance_error(owned, start, stepped, [np.array(2, np.int64), weights]) == np.inf
    assert audit._advance_error(owned, start, stepped, [counter, weights * np.nan]) == np.inf
    assert audit._advance_error(owned, start, stepped, [counter, weights * 1.5]) == pytest.approx(0.5)
    diverged = [counter, weights * np.nan]
    assert audit._advance_error(owned, start, diverged, diverged) == 0, "both diverge: the loop reports that"


def test_the_ledger_can_be_read(build_game):
    game, streams = build_game()
    strategy = Broken(game)
    ledger = audit.audit(strategy, game, streams)
    assert ledger.verdict == "state leaks"
    assert ledger.tags() == {"audit": "state leaks", "audit.leaks": "discriminator, generator"}
    read = json.loads(json.dumps(ledger.json()))
    assert len(read["entries"]) == len(ledger.entries) == 2 * len(audit.inventory(strategy, game))
    assert read["violations"] == []
    lines = ledger.table().splitlines()
    assert lines[0] == "verdict: state leaks"
    assert sum("elements moved" in line for line in lines) == 1
    ledger.require("tape", "")


def test_the_message_names_the_cause_and_what_works(build):
    game, strategy, streams = build(*SMALL, "strategy=compile", "keras=keras3")
    ledger = audit.audit(strategy, game, streams)
    with pytest.raises(Violation) as raised:
        ledger.require("compile", strategy.known_failure.diagnosis)
    for text in (
        "the discriminator did not move",
        "when it traces a train function",
        "strategy=toggle",
        "audit=record",
    ):
        assert text in str(raised.value)


# ---------------------------------------------------------------------------------------------------- in training


@pytest.mark.parametrize("name", ["tape", "toggle", "train_step"])
def test_a_watched_strategy_trains_as_it_does_unwatched(build, name):
    results = []
    for watched in (False, True):
        game, strategy, streams = build(*SMALL, f"strategy={name}", "keras=keras3")
        trained = WatchedStrategy(strategy, game, 4, tolerated=False) if watched else strategy
        metrics = [trained.advance(streams, 0, 3), trained.advance(streams, 3, 7)]
        results.append((values([*game.networks.generator.weights, *game.networks.discriminator.weights]), metrics))
    (weights, metrics), (watched_weights, watched_metrics) = results
    for a, b in zip(weights, watched_weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    for a, b in zip(metrics, watched_metrics, strict=True):
        assert b.pop("frozen_weights_moved") == 0.0
        assert b == pytest.approx(a, abs=1e-5)


def test_weights_that_begin_to_move_are_caught_in_training(build_game):
    game, streams = build_game()
    taped = TapedPhases(game)
    kernel = game.networks.discriminator.trainable_variables[0]
    steps = iter(range(100))

    def train_generator_and_touch_later(real, latent):
        if next(steps) >= 5:
            kernel[0, 0, 0, 0].assign(kernel[0, 0, 0, 0] + 1e-3)
        return taped.train_generator(real, latent)

    strategy = Broken(game, generator=train_generator_and_touch_later)
    watched = WatchedStrategy(strategy, game, 2, tolerated=False)
    for step in range(5):
        watched.advance(streams, step, 1)
    with pytest.raises(Violation, match="in the generator phase frozen weights moved"):
        for step in range(5, 8):
            watched.advance(streams, step, 1)
    tolerant = WatchedStrategy(strategy, game, 2, tolerated=True)
    assert tolerant.advance(streams, 8, 1)["frozen_weights_moved"] == 0.5
    assert "frozen_weights_moved" not in tolerant.advance(streams, 9, 1)


# ------------------------------------------------------------------------------------------------- loss scaling

OVERFLOWING = ("precision=mixed_float16", "loss=wasserstein", "regularizer=gradient_penalty", "architecture=dcgan")


@pytest.mark.parametrize("keras", words("keras"))
@pytest.mark.parametrize("optimizers", ["separate", "shared"])
def test_steps_that_loss_scaling_skips_are_not_taken_for_a_frozen_network(build, keras, optimizers):
    """The first scale, 32,768, overflows here. The audit waits until a step is taken, and then restores the scale."""
    game, strategy, streams = build(
        f"keras={keras}", *OVERFLOWING, "architecture.filters=16", "batch_size=16", f"update.optimizers={optimizers}"
    )
    scales = [variable for phase in strategy.phases for variable in game.optimizers.scale_state(phase)]
    assert [float(scale.numpy()) for scale in scales] == 2 * [32768.0, 0.0]
    before = [*bits(game), *(scale.numpy().tobytes() for scale in scales)]
    ledger = audit.audit(strategy, game, streams)
    assert [*bits(game), *(scale.numpy().tobytes() for scale in scales)] == before
    assert not ledger.violations
    assert ledger.moved("discriminator", "discriminator", "weights")
    assert ledger.skipped["discriminator"] >= 1
    count = ledger.skipped["discriminator"]
    assert (
        f"steps that the optimizer of the discriminator phase skipped before it took one: {count}\n" in ledger.table()
    )
    assert ledger.json()["skipped"] == ledger.skipped


def test_a_loss_that_is_never_finite_is_not_taken_for_one_whose_scale_is_too_large(build):
    game, strategy, streams = build(*TINY, "keras=keras3", "precision=mixed_float16")
    kernel = game.networks.discriminator.weights[0]
    kernel.assign(np.full(kernel.shape, np.nan))
    ledger = audit.audit(strategy, game, streams)
    assert ledger.skipped["discriminator"] > 100
    assert any("did not move" in violation for violation in ledger.violations)


# ------------------------------------------------------------------------------- kernels that their layer overwrites


@pytest.mark.parametrize("judge", ["training", "inference"])
@pytest.mark.parametrize("strategy", ["tape", "toggle"])
def test_keras_own_spectral_normalization_gets_a_verdict_of_its_own(parse, digits, strategy, judge):
    """It is no fault of the strategy, and no clean bill: the frozen kernel moves. Only inference mode holds it."""

    class Normalized(Mlp):
        def judge(self, keras, examples, random):
            hidden = keras.layers.Dense(16, kernel_initializer=normal(keras, random, 0.1))
            wrapped = keras.layers.SpectralNormalization(hidden, name="wrapped")
            return super().judge(keras, wrapped(keras.layers.Flatten()(examples)), random)

    variant = parse(f"strategy={strategy}", "keras=keras3", f"update.judge={judge}", "batch_size=8")
    game, mechanism, streams = build(variant._replace(architecture=Normalized()), digits)
    ledger = audit.audit(mechanism, game, streams)
    assert not ledger.violations
    assert ledger.verdict == ("constraint moved" if judge == "training" else "state leaks")
    assert len(ledger.constraints) == (judge == "training")
    if judge == "training":
        assert "Its layer overwrites it whenever it runs in training mode" in ledger.table()
        assert ledger.constraints[0].variable.endswith("/kernel")
        assert any(entry.variable.endswith("/vector_u") for entry in ledger.leaks)
    WatchedStrategy(mechanism, game, every=1, tolerated=False).advance(streams, 0, 2)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, tf.bfloat16.as_numpy_dtype])
def test_a_kernel_that_an_optimizer_moved_too_is_one_of_the_weights(dtype):
    """Its own layer only divides it. Under mixed precision the quotient has half precision."""
    kernel = np.random.default_rng(0).normal(0, 0.1, (200, 200)).astype(np.float32)
    divided = (kernel.astype(dtype) / dtype(1.3)).astype(kernel.dtype)
    owned = [audit.OwnedVariable("discriminator", "constraint", "kernel", kernel)]
    for moved, kind in [(divided, "constraint"), (kernel, "constraint"), (divided + np.float32(0.01), "weights")]:
        (entry,) = audit.differing("generator", owned, [kernel], [moved])
        assert entry.kind == kind
