"""What `import ganfreeze` offers: the same runs, verdicts and metrics as the programs."""

import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import programs
import pytest
from conftest import GAN, ROOT, TINY, values

import ganfreeze
from ganfreeze import BadInput
from ganfreeze.backend import tensorflow as tf
from ganfreeze.backend import traced_gradients
from ganfreeze.evaluation.metrics.neighbours import Manifold, precision_recall

QUICK = ("steps=20", "evaluator=none", "batch_size=16")


@pytest.fixture
def networks(keras):
    """A generator and a discriminator of digits."""
    generator = keras.Sequential(
        [keras.layers.Input((5,)), keras.layers.Dense(64, activation="tanh"), keras.layers.Reshape((8, 8, 1))]
    )
    discriminator = keras.Sequential([keras.layers.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(1)])
    return {"generator": generator, "discriminator": discriminator}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Run in a folder with nothing but an MLflow store, in which there is nothing."""
    monkeypatch.chdir(programs.with_store(tmp_path))
    return tmp_path


def test_importing_it_imports_nothing_heavy():
    code = "import ganfreeze, sys; print([m for m in ('tensorflow', 'hydra', 'numpy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_every_name_is_there_explained_and_on_the_page():
    assert ganfreeze.__all__ == sorted(ganfreeze.__all__)
    assert all(getattr(ganfreeze, name).__doc__ for name in ganfreeze.__all__)
    assert set(ganfreeze.__all__) <= set(dir(ganfreeze))
    page = (ROOT / "docs" / "from_python.md").read_text()
    assert sorted(re.findall(r"^\| `(\w+)", page, re.MULTILINE)) == ganfreeze.__all__
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        ganfreeze.trian  # noqa: B018


def test_a_variant_is_trained_as_the_program_trains_it(folder):
    run = ganfreeze.train("strategy=toggle", *QUICK, *TINY)
    again = ganfreeze.train("strategy=toggle", *QUICK, *TINY)
    assert run.name.startswith("toggle mlp digits steps=20 evaluator=none batch_size=16")
    assert run.audit == "state leaks"
    assert run.folder != again.folder
    with pytest.raises(BadInput, match=r"toggle mlp .*: is not in MLflow"):
        ganfreeze.sample(replace(run, id=""))
    with pytest.raises(BadInput, match="the runs are in several MLflow stores"):
        ganfreeze.report(run, replace(again, store="http://elsewhere"))
    assert all(np.array_equal(a, b) for a, b in zip(values(run.generator), values(again.generator), strict=True))
    samples = ganfreeze.sample(run, count=9, seed=3)
    assert (samples.shape, samples.dtype) == ((9, 8, 8, 1), np.uint8)
    assert np.array_equal(samples, ganfreeze.sample(again, count=9, seed=3))
    assert ganfreeze.picture(samples).size == (504, 504)


def test_ones_own_networks_are_trained_recorded_and_left_as_they_are(folder, networks):
    before, graphs = {name: values(model) for name, model in networks.items()}, traced_gradients.traced()
    run = ganfreeze.train("strategy=tape", *QUICK, **networks)
    assert traced_gradients.traced() == graphs, "the process keeps the graphs of this training"
    assert run.audit == "clean"
    for name, model in networks.items():
        assert all(np.array_equal(a, b) for a, b in zip(before[name], values(model), strict=True))
    moved = [not np.array_equal(a, b) for a, b in zip(before["generator"], values(run.generator), strict=True)]
    assert all(moved)
    [evaluated] = ganfreeze.evaluate(run, "evaluator=classifier", "evaluator.samples=100", "evaluator.metrics=[fid]")
    assert evaluated.by_seed[0]["fid"] > 0
    written = ganfreeze.report(run)
    assert (written.folder / "report.html").is_file()
    assert "tape" in written.table


def test_a_network_that_the_idiom_never_trains_ends_the_run(folder, networks):
    if "tf_keras" in type(networks["generator"]).__module__:
        assert ganfreeze.train("strategy=compile", *QUICK, **networks).audit == "clean"
    else:
        with pytest.raises(BadInput, match="the discriminator did not move"):
            ganfreeze.train("strategy=compile", "keras=keras3", *QUICK, **networks)


def test_mechanisms_are_certified_on_ones_own_networks(folder, networks):
    found = ganfreeze.certify("tape", "toggle", "steps=3", "tracker=none", **networks)
    assert found.verdict in ("identical", "equal to rounding")
    assert [each.precision for each in found.certificates] == ["float32"]


def test_another_algorithm_is_certified_as_one(folder):
    assert ganfreeze.certify("tape", "tape optimizer=sgd", "steps=2", "tracker=none", *TINY).verdict == (
        "different algorithm"
    )


def test_ones_own_gan_is_audited():
    exec(GAN, namespace := {})
    found = ganfreeze.audit(namespace["build"]())
    assert (found.verdict, found.keras) == ("violation", "keras3")
    assert "`trainable` of the discriminator is False" in str(found)


def test_the_process_is_left_as_it_was(folder):
    ganfreeze.train("eager=true", "precision=float64", *QUICK, "steps=2", *TINY)
    assert not tf.config.functions_run_eagerly()
    from ganfreeze.backend.keras import keras2

    assert keras2.load().backend.floatx() == "float32"


BAD = [
    (["strateg=tape"], "strateg: .* has no such key; the nearest are strategy"),
    (["strategy=tap"], "strategy=tap: no such strategy; the nearest is tape"),
    (["steps=0"], "steps=0: must be greater than or equal to 1"),
    (["keras=keras3", "seeds_at_once=2"], "seeds_at_once: ganfreeze.train trains one seed"),
    (["nonsense"], "nonsense: must be KEY=VALUE"),
    (["steps=1,2"], "several values make a sweep"),
    (["architecture=dcgan"], "architecture=dcgan: your own networks are architecture=saved"),
]


@pytest.mark.parametrize(("overrides", "sentence"), BAD)
def test_bad_input_gets_a_sentence(folder, networks, overrides, sentence):
    with pytest.raises(BadInput, match=sentence):
        ganfreeze.train(*overrides, **networks)


def test_bad_networks_and_runs_get_a_sentence(tmp_path, monkeypatch, networks):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match="give both, or neither"):
        ganfreeze.train(generator=networks["generator"])
    with pytest.raises(BadInput, match="must be a Keras model"):
        ganfreeze.train(generator="generator.keras", discriminator=networks["discriminator"])
    with pytest.raises(BadInput, match="run=1: must be an MLflow run id"):
        ganfreeze.sample("1")
    with pytest.raises(BadInput, match="there is no MLflow store at"):
        ganfreeze.report()
    with pytest.raises(BadInput, match="it must return either"):
        ganfreeze.audit(None)


def test_the_frechet_distance_of_a_shift_is_its_square():
    """Equal covariances leave |m1 - m2|^2."""
    features = np.random.default_rng(0).normal(size=(200, 3))
    assert ganfreeze.frechet_distance(features, features + np.array([3.0, 4.0, 0.0])) == pytest.approx(25)


def test_the_inception_score_of_certain_and_balanced_logits_is_the_number_of_classes():
    assert ganfreeze.inception_score(np.tile(100 * np.eye(4), (5, 1))) == pytest.approx([4.0])


def test_precision_recall_are_those_of_the_manifolds():
    real, fake = np.random.default_rng(0).normal(size=(2, 50, 4))
    assert ganfreeze.precision_recall(real, fake) == precision_recall(Manifold(real, 3), Manifold(fake, 3))
    assert ganfreeze.density_coverage(real, real)["coverage"] == 1
    assert ganfreeze.kernel_distance(real, fake + 5).value > ganfreeze.kernel_distance(real, fake).value


@pytest.mark.parametrize(
    ("real", "fake", "sentence"),
    [
        (np.zeros(3), np.zeros((3, 2)), r"real: must be numbers of shape \(n, d\), not float64 of shape \(3,\)"),
        (np.zeros((1, 2)), np.zeros((3, 2)), "real has 1 rows: must have 2 or more"),
        (np.zeros((3, 2)), np.zeros((3, 4)), "real has 2 features, fake has 4: must be as many"),
        (np.zeros((3, 2)), np.full((3, 2), np.nan), "fake has values that are not finite"),
    ],
)
def test_bad_features_get_a_sentence(real, fake, sentence):
    with pytest.raises(BadInput, match=sentence):
        ganfreeze.frechet_distance(real, fake)
