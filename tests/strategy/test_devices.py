"""Several devices train as one device does on the whole batch: two logical devices of the processor show it.

TensorFlow fixes its devices at its first operation, so one process of its own runs everything that needs two.
"""

import gc
import os
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from unittest.mock import patch

import pytest
from conftest import CONF, words
from hydra import initialize_config_dir
from programs import _FORKS

import ganfreeze
from ganfreeze.app import training_setup
from ganfreeze.app.compose import compose_variant
from ganfreeze.backend import machine
from ganfreeze.backend import tensorflow as tf
from ganfreeze.errors import BadInput, Refused
from ganfreeze.proof import audit, certificate
from ganfreeze.proof.certificate import Certificate, differences
from ganfreeze.proof.snapshot import values
from ganfreeze.proof.step_replay import report_calls
from ganfreeze.record.checkpoints import Checkpoints

PLACES = [(keras, strategy) for keras in words("keras") for strategy in ("tape", "train_step")]
TWO_PLACES = [("keras2", "tape"), ("keras3", "train_step")]
MLP = ("architecture.generator_units=[4]", "architecture.discriminator_units=[16]")  # its generator has it
NO_BATCH_NORM = ("architecture.generator_units=[]", "architecture.discriminator_units=[16]")
BATCH_NORM = ("architecture=dcgan", "architecture.filters=2")
# Adam hides a factor of all gradients; plain gradient descent shows it.
COMMON = (
    "evaluator=none",
    "tracker=none",
    "steps=100",
    "batch_size=8",
    "optimizer=sgd",
    "optimizer.generator_rate=0.1",
)
STEPS = 3
PHASES = ("discriminator", "generator")


def build(*overrides):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        variant = compose_variant(*COMMON, *overrides)
    return training_setup.build(variant, variant.source.load())


def states(setup, first=0, at_once=1):
    """Train for some steps, and return the values of both networks, and of the average, after each call."""
    networks, reached = setup.game.networks, []
    for step in range(first, first + STEPS, at_once):
        setup.strategy.advance(setup.streams, step, at_once)
        variables = [*networks.generator.weights, *networks.discriminator.weights, *setup.game.average.variables]
        reached.append(values(variables))
    return reached


@lru_cache
def trained(*overrides, at_once=1):
    """Train a variant once, and return the names of the variables and their values after each call."""
    setup = build(*overrides)
    average = [f"average/{number}" for number, _ in enumerate(setup.game.average.variables)]
    return [*certificate.names(setup.game.networks), *average], states(setup, at_once=at_once)


def certified(one, several, at_once=1):
    """Certify two lists of overrides, and return the verdict and the largest relative difference."""
    (names, a), (_, b) = trained(*one, at_once=at_once), trained(*several, at_once=at_once)
    rows = [row for step, pair in enumerate(zip(a, b, strict=True)) for row in differences(step + 1, names, *pair)]
    precision = "float64" if "precision=float64" in one else "float32"
    result = Certificate("one", "several", precision, certificate.TOLERANCES[precision], rows)
    return result.verdict, result.largest.relative


def certified_with(target, replacement, *overrides):
    """Certify two devices against one, with something else in the place of `target`."""
    with patch(target, replacement):
        return certified(overrides, (*overrides, "devices=2", "steps=99"))  # another key than without the patch


def start():
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    machine.prepare_devices(2)
    gc.freeze()  # the collector need not search TensorFlow's million objects each time
    gc.set_threshold(50_000)


@pytest.fixture(scope="module")
def run():
    """Return a function that calls a function of this module in the process with two devices."""
    with ProcessPoolExecutor(1, _FORKS, initializer=start) as process:
        yield lambda function, *arguments: process.submit(function, *arguments).result()


# -------------------------------------------------------------------------------------------- the same algorithm


@pytest.mark.parametrize("networks", [NO_BATCH_NORM, BATCH_NORM], ids=["no batch norm", "batch norm"])
@pytest.mark.parametrize(("keras", "strategy"), PLACES)
def test_two_devices_are_one_device_to_rounding(run, keras, strategy, networks):
    choice = (*networks, f"keras={keras}", "precision=float64")
    verdict, largest = run(certified, choice, (*choice, f"strategy={strategy}", "devices=2"))
    assert verdict == "equal to rounding"
    assert largest < 1e-12


@pytest.mark.parametrize("keras", words("keras"))
def test_so_they_are_in_single_precision(run, keras):
    """The fused kernel of Keras 2, which runs in single precision, has a moving variance of its own."""
    choice = (*BATCH_NORM, f"keras={keras}")
    verdict, largest = run(certified, choice, (*choice, "devices=2"))
    assert verdict == "equal to rounding"
    assert largest < 1e-5


@pytest.mark.parametrize(
    "choice",
    [
        "keras2 update=simultaneous regularizer=weight_clip packing=2",
        "keras3 update=extragradient update.noise=reused",
        "keras2 update=optimistic optimizer=adamw schedule=linear ema=0.9",
        "keras3 update=optimistic regularizer=gradient_penalty packing=2",
        "keras2 update=keras_gan update.optimizers=shared optimizer.generator_rate=0.01",
        "keras3 regularizer=r1 architecture.spectral_norm=true update.noise=reused",
    ],
)
def test_whatever_is_trained(run, choice):
    keras, *overrides = choice.split()
    one = (f"keras={keras}", "precision=float64", *MLP, *overrides)
    verdict, largest = run(certified, one, (*one, "devices=2"))
    assert (verdict, largest < 1e-6) == ("equal to rounding", True), "Keras 2 has its momentum in single precision"


@pytest.mark.parametrize("strategy", ["tape", "train_step"])
def test_many_steps_in_one_call(run, strategy):
    choice = (*NO_BATCH_NORM, "precision=float64", f"strategy={strategy}", "fused_steps=3")
    verdict, largest = run(partial(certified, at_once=STEPS), choice, (*choice, "devices=2"))
    assert (verdict, largest < 1e-12) == ("equal to rounding", True)


def wrong_share(self, loss):
    """Take the loss of a share for that of the whole batch, so that the gradients are twice as large."""
    return loss


@pytest.mark.parametrize(("keras", "strategy"), TWO_PLACES)
def test_the_certificate_finds_a_wrong_sum_of_gradients(run, keras, strategy):
    common = (*NO_BATCH_NORM, f"keras={keras}", f"strategy={strategy}", "precision=float64")
    assert (
        run(certified_with, "ganfreeze.backend.devices.MirroredDevices.share", wrong_share, *common)[0]
        == "different algorithm"
    )


@pytest.mark.parametrize("keras", words("keras"))
def test_the_certificate_finds_half_of_the_batch(run, keras):
    common = (*NO_BATCH_NORM, f"keras={keras}", "precision=float64")
    half = run(certified, (*common, "batch_size=4"), (*common, "strategy=tape", "devices=2"))
    assert half[0] == "different algorithm"


def own_statistics(keras, **options):
    layer = keras.layers.BatchNormalization(**options)
    layer.synchronized = True  # so it says
    if keras.__name__ == "keras":
        layer._moments = lambda inputs, mask: tf.nn.moments(inputs, [0, 1, 2])
    else:
        layer._calculate_mean_and_var = layer._no_sync_calculate_mean_and_var
    return layer


@pytest.mark.parametrize("keras", words("keras"))
def test_the_certificate_finds_batch_norm_by_each_share(run, keras):
    common = (*BATCH_NORM, f"keras={keras}", "precision=float64")
    assert (
        run(certified_with, "ganfreeze.gan.architecture.dcgan.batch_norm", own_statistics, *common)[0]
        == "different algorithm"
    )


# ------------------------------------------------------------------------------------------ what else a run needs


def audited(*overrides):
    setup = build(*overrides, "devices=2")
    ledger = audit.audit(setup.strategy, setup.game, setup.streams)
    moved = sorted({(each.phase, each.network, each.kind) for each in ledger.entries if each.elements})
    return ledger.verdict, [each for each in moved if each[2] != "slots"]


@pytest.mark.parametrize(("keras", "strategy"), TWO_PLACES)
def test_the_audit_sees_who_moves(run, keras, strategy):
    weights = [(phase, phase, "weights") for phase in PHASES]
    assert run(audited, *NO_BATCH_NORM, f"keras={keras}", f"strategy={strategy}") == ("clean", weights)


@pytest.mark.parametrize("keras", words("keras"))
def test_the_audit_sees_averages_move(run, keras):
    """Both phases run the generator in training mode."""
    weights, averages = (
        [(phase, phase, "weights") for phase in PHASES],
        [(phase, "generator", "state") for phase in PHASES],
    )
    assert run(audited, *MLP, f"keras={keras}") == ("state leaks", sorted([*weights, *averages]))


def gradient_norms(*overrides):
    setup = build(*overrides)
    reports = report_calls(setup.strategy, setup.game, setup.streams, 0)
    return [(report.phase, list(report.gradient_norms.values())) for report in reports]


@pytest.mark.parametrize(("keras", "strategy"), TWO_PLACES)
def test_the_gradients_of_a_step_are_those_of_the_whole_batch(run, keras, strategy):
    choice = (*BATCH_NORM, f"keras={keras}", f"strategy={strategy}", "precision=float64")
    two, one = run(gradient_norms, *choice, "devices=2"), run(gradient_norms, *choice)
    assert [phase for phase, _ in two] == list(PHASES)
    for (_, norms), (_, expected) in zip(two, one, strict=True):
        assert norms == pytest.approx(expected, rel=1e-9)


def resumed(folder, *overrides):
    """Train a run, and one that goes on with its checkpoint. Return the bits of all variables of both, on each device.

    The second run has other weights before.
    """
    first, second = build(*overrides), build(*overrides, "seed=1")
    states(first)
    for setup, do in ((first, lambda kept: kept.save(STEPS)), (second, Checkpoints.restore)):
        do(Checkpoints(folder, setup.variables, last=1, best=None, facts={}))
    bits = []
    for setup in (first, second):
        setup.strategy.advance(first.streams, STEPS, 2)
        plain = [each if isinstance(each, tf.Variable) else each.value for each in setup.variables]
        bits.append([[copy.numpy().tobytes() for copy in each.values] for each in plain])
    return bits


@pytest.mark.parametrize(("keras", "strategy"), TWO_PLACES)
def test_a_run_goes_on_with_the_same_bits(run, tmp_path, keras, strategy):
    choice = (f"keras={keras}", f"strategy={strategy}", "optimizer=adam", "ema=0.9")
    went_on, resumed_run = run(resumed, tmp_path, *MLP, *choice, "devices=2")
    assert resumed_run == went_on
    for copies in went_on:
        assert len(copies) == 2
        assert copies[0] == copies[1], "both devices hold the same"


# ------------------------------------------------------------------------------------------------ what is refused


def whole_run(folder):
    os.chdir(folder)
    run = ganfreeze.train("devices=2", "keras=keras3", *MLP, "steps=20", "batch_size=8", "ema=0.9")
    evaluated, averaged = ganfreeze.evaluate(run, "evaluator.samples=100", "evaluator.metrics=[fid]")
    fids = [each.by_seed[0]["fid"] for each in (evaluated, averaged)]
    return run.metrics, fids, ganfreeze.sample(run, count=9).shape


def test_a_run_is_recorded_evaluated_and_sampled_from(run, tmp_path):
    metrics, fids, shape = run(whole_run, tmp_path)
    assert metrics["classifier_ema/fid"] > 0
    assert min(fids) > 0
    assert shape == (9, 8, 8, 1)


@pytest.mark.parametrize("strategy", sorted({*words("strategy")} - {"tape", "train_step"}))
def test_other_strategies_refuse(parse, strategy):
    with pytest.raises(Refused, match=rf"strategy={strategy} does not go with devices=2"):
        parse(f"strategy={strategy}", "devices=2")


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        ("batch_size=9", "devices=2: batch_size=9 must be a multiple of it, because"),
        ("batch_size=9 packing=3", "devices=2: batch_size=9 must be a multiple of devices times packing=3, because"),
        ("devices=0", "devices=0: must be greater than or equal to 1"),
        ("jit=on", "jit=on: XLA compiles for one device; devices=2 needs"),
        ("loss=relativistic", "loss=relativistic does not go with devices=2"),
        ("regularizer=consensus", "regularizer=consensus does not go with devices=2"),
    ],
)
def test_what_needs_the_whole_batch_is_refused(parse, choice, sentence):
    with pytest.raises(BadInput, match=sentence):
        parse("devices=2", *choice.split())


def refusal(*overrides):
    try:
        build(*overrides)
    except BadInput as error:
        return str(error)


def unsynchronized(*overrides):
    with patch(
        "ganfreeze.gan.architecture.dcgan.batch_norm",
        lambda keras, **options: keras.layers.BatchNormalization(**options),
    ):
        return refusal(*overrides)


def test_layers_that_need_the_whole_batch_are_refused(run):
    assert "architecture=mlp does not go with devices=2" in run(refusal, "architecture.dropout=0.5", "devices=2")
    for keras in words("keras"):
        message = run(unsynchronized, *BATCH_NORM, f"keras={keras}", "devices=2")
        assert "architecture=dcgan does not go with devices=2" in message
        assert "batch_normalization" in message
    for regularizer in ("r1", "gradient_penalty"):
        message = run(refusal, *BATCH_NORM, f"regularizer={regularizer}", "devices=2")
        assert f"regularizer={regularizer} does not go with devices=2 if the discriminator has" in message


@pytest.mark.parametrize("regularizer", ["none", "r1"])
def test_keras_takes_the_mean_as_constant_in_a_second_derivative(run, regularizer):
    """BatchNormalization takes away a bias before it, so its gradient is 0. With R1 on one device it is not."""
    names, reached = run(trained, *BATCH_NORM, "precision=float64", f"regularizer={regularizer}")
    bias = reached[-1][names.index("discriminator/Conv2D_2/bias")]
    assert (abs(bias).max() > 1e-9) == (regularizer == "r1")


def test_a_process_cannot_have_more_devices_later(run):
    assert run(refusal, *NO_BATCH_NORM, "devices=4").startswith("devices=4: TensorFlow has already computed")
