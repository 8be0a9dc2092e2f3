"""GANs of plain Keras are audited as they stand; each trap of experiments/freezing/traps moves what its row says."""

import csv
import io
import os
import subprocess
import sys
from functools import cache

import numpy as np
import programs
import pytest
from conftest import ROOT

from ganfreeze.app import plain_models
from ganfreeze.app.compose import without_warnings
from ganfreeze.backend import tensorflow as tf
from ganfreeze.errors import BadInput, Refused
from ganfreeze.proof import plain_audit, plain_gan

TRAPS = ROOT / "experiments" / "freezing" / "traps"
# What moves in the discriminator phase, and in the generator phase: "w" the discriminator's weights, "s" its state, as
# BatchNormalization's averages, "c" kernels that their own layer overwrites; under Keras 2, and under Keras 3. Graph
# mode and eager mode agree in all of them.
EXPECTED = {
    "question": (None, "|"),
    "question_with_two_optimizers": ("w|", "|"),
    "train_step": ("w|", "w|"),
    "train_step_with_all_weights": ("w|w", "w|w"),
    "train_step_with_wrong_weights": ("w|", "w|"),
    "train_step_of_one_network": ("|", "|"),
    "idiom": ("w|", "|"),
    "toggled": ("w|", "w|"),
    "nothing_frozen": ("w|w", "w|w"),
    "frozen_too_late": ("w|w", "|"),
    "flag_on_layers": ("w|", "|"),
    "nested": ("w|", "|"),
    "second_model": ("w|", "|"),
    "shared_trunk": ("w|w", "|"),
    "reloaded": ("|", "|"),
    "reloaded_and_toggled": ("w|", "w|"),
    "discriminator_reloaded": ("|", "|"),
    "reloaded_apart": ("w|", "w|"),
    "weights_loaded": ("w|", "|"),
    "shared": ("w|", "w|"),
    "zero_gradients": ("w|w", "w|w"),
    "zero_gradients_of_its_own": ("w|", "w|"),
    "stop_gradient": ("w|", "w|"),
    "adamw": ("w|", "w|"),
    "adamw_zero_gradients": ("w|w", "w|w"),
    "ema": ("w|", "w|w"),
    "accumulation": (None, "|"),
    "accumulation_of_its_own": (None, "w|"),
    "loss_scale": ("w|", "w|"),
    "loss_scale_of_its_own": ("w|", "w|"),
    "batch_norm_flag": ("ws|", "ws|"),
    "batch_norm_tape": ("ws|s", "ws|s"),
    "batch_norm_tape_inference": ("ws|", "ws|"),
    "fixed_inference": ("ws|w", "ws|ws"),
    "spectral_norm_flag": ("ws|sc", "ws|sc"),
    "spectral_norm_tape": ("ws|sc", "ws|sc"),
    "spectral_norm_tape_inference": ("ws|", "ws|"),
    "dropout_flag": ("w|", "w|"),
    "gaussian_noise_flag": ("w|", "w|"),
}
# In these it is the generator that moves in the discriminator phase, or stands still in its own.
GENERATOR_AT_FAULT = {"stop_gradient", "reloaded_apart", "train_step_with_wrong_weights"}
# Keras 2 cannot build its SpectralNormalization beside Keras 3, unless TF_USE_LEGACY_KERAS=1.
LEGACY = {name for name in EXPECTED if name.startswith("spectral_norm")}
# Those that a test runs in eager mode too. The published table has all of them.
EAGER = ("train_step", "idiom", "toggled", "frozen_too_late", "ema", "fixed_inference")
KINDS = {"w": "weights", "s": "state", "c": "constraint"}


def trap_functions():
    return {
        name: function
        for path in sorted(TRAPS.glob("*.py"))
        if path.name != "small.py"
        for name, function in plain_models.load_functions(str(path)).items()
    }


def audited(function, *arguments, mode="graph"):
    tf.config.run_functions_eagerly(mode == "eager")
    with without_warnings():
        gan = plain_gan.plain_gan(plain_models.call(function, *arguments))
        return gan, plain_models.call(plain_audit.audit, gan)


@cache
def audited_once(name, keras):
    """Audit a trap in graph mode, once for all tests: its seeds are fixed."""
    return audited(trap_functions()[name], keras)


def moved(ledger):
    """Return what moves of the discriminator, as in EXPECTED."""
    phases = ("discriminator", "generator")
    return "|".join(
        "".join(letter for letter, kind in KINDS.items() if ledger.moved(phase, "discriminator", kind))
        for phase in phases
    )


@pytest.mark.parametrize(
    ("name", "mode"), [*((name, "graph") for name in EXPECTED), *((name, "eager") for name in EAGER)]
)
def test_each_trap_moves_what_its_row_says(keras, name, mode):
    functions = trap_functions()
    assert set(functions) == set(EXPECTED)
    expected = EXPECTED[name][keras.__name__ == "keras"]
    if expected is None or (keras.__name__ == "tf_keras" and name in LEGACY):
        error, message = (BadInput, "KeyError") if name == "question" else (Refused, "Keras 2")
        with pytest.raises(error, match=message):
            audited(functions[name], keras, mode=mode)
        return
    _, ledger = audited_once(name, keras) if mode == "graph" else audited(functions[name], keras, mode=mode)
    assert moved(ledger) == expected
    assert ledger.verdict == verdict(name, expected)


def verdict(name, expected):
    """Return the verdict that what moves makes."""
    in_discriminator_phase, in_generator_phase = expected.split("|")
    if "w" not in in_discriminator_phase or "w" in in_generator_phase or name in GENERATOR_AT_FAULT:
        return "violation"
    return {"sc": "constraint moved", "s": "state leaks", "": "clean"}[in_generator_phase]


def test_keras_2_overwrites_spectrally_normalized_kernels_too(tmp_path):
    """The variable must be set before TensorFlow is imported."""
    traps = ",".join(f"{TRAPS}/layers.py:{name}" for name in sorted(LEGACY))
    program = [sys.executable, ROOT / "src" / "freeze_matrix.py"]
    command = [*program, f"model=[{traps}]", "keras_versions=[keras2]", "output=out"]
    environment = os.environ | {"TF_USE_LEGACY_KERAS": "1"}
    process = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert process.returncode == 0, process.stderr
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out" / "freeze_matrix.csv").read_text())))
    assert len(rows) == 2 * len(LEGACY)
    for row in rows:
        assert row["verdict"] == verdict(row["mechanism"], EXPECTED[row["mechanism"]][0])


def test_the_slots_of_a_shared_optimizer_are_compared_too(keras):
    """Each slot belongs to the network of its weight, and the counters of a shared optimizer to the generator."""
    _, shared = audited_once("shared", keras)
    (counter,) = shared.frozen_slots
    assert "iteration" in counter.variable
    _, apart = audited_once("zero_gradients_of_its_own", keras)
    assert not apart.frozen_slots
    _, zero = audited_once("zero_gradients", keras)
    for phase, frozen in (("discriminator", "generator"), ("generator", "discriminator")):
        slots = [entry for entry in zero.frozen_slots if (entry.phase, entry.network) == (phase, frozen)]
        assert len([entry for entry in slots if entry.shape]) == 2 * 4, "two moments of two kernels and two biases"


def test_the_audit_begins_when_loss_scaling_takes_a_step(keras):
    """2^18, 2^17 and 2^16 are infinite in half precision."""
    for name in ("loss_scale", "loss_scale_of_its_own"):
        _, ledger = audited_once(name, keras)
        assert ledger.skipped == {"discriminator": 3, "generator": 3}


def test_the_likely_cause_of_a_reloaded_gan_is_named(keras):
    whose = {"tf_keras": "the discriminator's layers", "keras": "the discriminator"}[keras.__name__]
    assert f"`trainable` of {whose} is False" in plain_audit.likely_cause(*audited_once("reloaded", keras))
    cause = plain_audit.likely_cause(*audited_once("reloaded_apart", keras))
    assert "the combined model holds a copy of the generator" in cause


def test_momentum_and_decay_move_frozen_weights_without_gradients(keras):
    """Adam moves by about its rate, 1e-2, and AdamW's decay by rate * 0.004 * w."""
    _, adam = audited_once("zero_gradients", keras)
    _, adamw = audited_once("adamw_zero_gradients", keras)
    assert 2e-3 < adam.distance("generator", "discriminator", "weights") < 2e-2
    assert 1e-6 < adamw.distance("generator", "discriminator", "weights") < 1e-2 * 0.004 * 2


# ------------------------------------------------------------------------------------- code as people write it


def test_the_class_of_the_question_as_written(keras):
    """Under Keras 2 its shared optimizer raises an error since 2.11; under Keras 3 its discriminator never trains."""
    if keras.__name__ == "tf_keras":
        with pytest.raises(BadInput, match=r"KeyError: .*The optimizer cannot recognize variable"):
            audited_once("question", keras)
        return
    gan, ledger = audited_once("question", keras)
    assert ledger.violations == ["in the discriminator phase the discriminator did not move: none of its weights"]
    assert "`trainable` of the discriminator is False. Keras 2 reads" in plain_audit.likely_cause(gan, ledger)


def test_a_class_with_its_own_train_step_moves_each_network_in_its_phase(keras):
    _, ledger = audited_once("train_step", keras)
    generator = [entry for entry in ledger.entries if (entry.network, entry.kind) == ("generator", "weights")]
    assert {(entry.phase, entry.elements > 0) for entry in generator} == {("discriminator", False), ("generator", True)}


@pytest.mark.parametrize(
    ("fault", "violation"),
    [
        ("train_step_with_all_weights", "in the generator phase frozen weights of the discriminator moved"),
        ("train_step_with_wrong_weights", "no update trains the generator"),
        ("train_step_of_one_network", "no update trains the discriminator"),
    ],
)
def test_faulty_classes_are_caught(keras, fault, violation):
    _, ledger = audited_once(fault, keras)
    assert ledger.verdict == "violation"
    assert any(message.startswith(violation) for message in ledger.violations)


def test_an_update_in_a_branch_that_is_not_taken_moves_nothing(keras):
    """The generator is updated in every second step only, inside a traced function."""
    model = trap_functions()["train_step"](keras)
    calls, plain = tf.Variable(0), model.g_optimizer.apply_gradients

    def every_second_time(pairs):
        pairs = list(pairs)
        calls.assign_add(1)
        tf.cond(calls % 2 == 0, lambda: (plain(pairs), 0)[1], lambda: 0)

    model.g_optimizer.build(list(model.generator.trainable_variables))
    gan = plain_gan.plain_gan(model)
    plain, model.g_optimizer.apply_gradients = model.g_optimizer.apply_gradients, every_second_time
    with without_warnings():
        ledger = plain_audit.audit(gan)
    assert not [entry for entry in ledger.entries if entry.role == "frozen" and entry.elements]
    assert all(ledger.moved(phase, phase, "weights") for phase in ("discriminator", "generator"))


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("nowhere:build", "nowhere cannot be imported. ModuleNotFoundError: No module named 'nowhere'"),
        ("nowhere.py:build", "FileNotFoundError: there is no file"),
        (":build", "must be module:function or file.py:function"),
        (f"{TRAPS}/flags.py:bild", "has no function bild; it has idiom, toggled"),
    ],
)
def test_a_function_that_cannot_be_loaded_is_named(word, message):
    with pytest.raises(BadInput) as raised:
        plain_models.load_functions(word)
    assert message in str(raised.value)


def test_what_is_no_gan_is_refused(keras):
    small = trap_functions() and __import__("small")
    generator, discriminator = small.generator(keras), small.discriminator(keras)
    for returned, message in [
        (3, "not 3"),
        ((generator, discriminator), "it must return either"),
        ((generator, discriminator, None, 1, 2), "the last two are 1 and 2"),
        ((1, 2, None, print, print), "the first two are 1 and 2"),
        ((generator, discriminator, {"d": 1}, print, print), "the third has the keys d"),
        ((trap_functions()["train_step"](keras), np.zeros((4, 8, 8, 3))), "the second is ndarray"),
    ]:
        with pytest.raises(BadInput, match=message):
            plain_gan.plain_gan(returned)
    calls = lambda real: None, lambda latent: None
    gan = plain_gan.plain_gan((generator, discriminator, None, *calls))
    with pytest.raises(BadInput, match="train_discriminator takes 1 arguments"):
        plain_audit.audit(gan)


def test_the_program_audits_a_file_and_writes_its_ledgers(tmp_path):
    (tmp_path / "my_gan.py").write_text(
        f"import sys; sys.path.insert(0, {str(TRAPS)!r})\nimport flags\n\n\ndef build(keras):\n"
        "    return flags.idiom(keras)\n\n\ndef broken(keras):\n    raise ValueError('mine')\n"
    )
    process = programs.run(tmp_path, "freeze_matrix", "model=my_gan.py", "modes=[graph]", "output=out")
    assert process.returncode == 0, process.stderr
    assert "| `build` | w move | still | **still** | still |" in process.stdout
    assert "| `broken` | error | error | error | error |" in process.stdout
    assert "broken keras2 graph: cannot be audited: its own code raised an error. ValueError: mine" in process.stderr
    assert "build keras3 graph: verdict: violation" in process.stderr
    assert "Likely cause: `trainable` of the discriminator is False" in process.stderr
    assert (tmp_path / "out" / "build_keras2_graph.txt").read_text().startswith("verdict: clean")
    for arguments, message in [
        (["model=[my_gan.py,my_gan.py:other]"], "has no function other; it has build, broken"),
        (["model=my_gan.py:broken"], "ganfreeze: broken cannot be audited: its own code raised an error. ValueError"),
        (["model=[]"], "model=[]: must name one function or more"),
        (["model=3"], "model=3: must name one function or more"),
        (["model=my_gan.py", "strategies=[tape]"], "cannot be chosen beside model=my_gan.py"),
    ]:
        process = programs.run(tmp_path, "freeze_matrix", *arguments, "output=out")
        assert process.returncode == 1
        assert message in process.stderr


def test_the_published_table_is_what_is_measured():
    """Each row of experiments/freezing/traps.csv agrees with the expectations here."""
    rows = list(csv.DictReader(io.StringIO((ROOT / "experiments" / "freezing" / "traps.csv").read_text())))
    assert {row["mechanism"] for row in rows} == set(EXPECTED)
    assert len(rows) == 4 * len(EXPECTED)
    for row in rows:
        expected = EXPECTED[row["mechanism"]][row["keras"] == "keras3"]
        if expected is None:
            assert row["verdict"] == ("error" if row["mechanism"] == "question" else "refused")
            continue
        first, second = expected.split("|")
        assert row["verdict"] == verdict(row["mechanism"], expected)
        assert (float(row["discriminator_in_discriminator_phase"]) > 0) == ("w" in first)
        assert (float(row["discriminator_in_generator_phase"]) > 0) == ("w" in second)
        assert row["discriminator_phase_weights"] == str("w" in first)
        assert row["generator_phase_weights"] == str("w" in second)
        assert row["generator_phase_state"] == str("s" in second)
        assert row["generator_phase_constraint"] == str("c" in second)


def test_the_table_of_versions_says_since_when():
    rows = csv.DictReader(io.StringIO((ROOT / "experiments" / "freezing" / "keras_versions.csv").read_text()))
    verdicts = {(row["trap"], row["version"]): row for row in rows}
    traps, versions = ({key[index] for key in verdicts} for index in (0, 1))
    assert traps == set(EXPECTED)
    assert len(versions) == 6
    for version, column in (("tf-keras 2.21.0", 0), ("keras 3.15.1", 1)):
        for trap, expected in EXPECTED.items():
            row = verdicts[trap, version]
            if trap == "question" and expected[column] is None:
                assert row["verdict"].startswith("error: KeyError: 'The optimizer cannot recognize variable")
                continue
            measured = "|".join(
                "".join(letter for letter, kind in KINDS.items() if kind in row[f"{phase} phase"])
                for phase in ("discriminator", "generator")
            )
            assert (measured if row["verdict"] != "refused" else None) == expected[column], (trap, version)
    for version in ("keras 3.0.5", "keras 3.3.3"):
        assert verdicts["idiom", version]["discriminator phase"] == "still"
    assert verdicts["idiom", "tf-keras 2.16.0"]["verdict"] == "clean"
    assert verdicts["idiom", "keras 3.6.0"]["verdict"].startswith("error: AttributeError: 'NoneType' object")


def test_the_keras_of_a_model_is_recognized(keras):
    small = trap_functions() and __import__("small")
    word = {"tf_keras": "keras2", "keras": "keras3"}[keras.__name__]
    assert plain_models.keras_of(small.generator(keras)) == word
