"""The classifier's figures against closed forms, TF-GAN's functions and SciPy; its cache."""

import json
import logging

import numpy as np
import pytest
from conftest import SHARED_DATA

from ganfreeze import metrics, tfgan_shim
from ganfreeze.data import Dataset, Split
from ganfreeze.errors import BadInput
from ganfreeze.evaluator import classifier
from ganfreeze.evaluator.classifier import Classifier
from ganfreeze.metrics import fid, inception_score, moments, sigma_points


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.fixture
def evaluator(session_cache):
    return Classifier(cache=str(session_cache))


def gaussian(random, dimensions, rank=None):
    root = random.normal(size=(dimensions, rank or dimensions))
    return random.normal(size=dimensions), root @ root.T


def frechet(one, other):
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), Dowson & Landau 1982, by SciPy's matrix root."""
    from scipy.linalg import sqrtm

    (mean, covariance), (other_mean, other_covariance) = one, other
    root = sqrtm(covariance @ other_covariance)
    return ((mean - other_mean) ** 2).sum() + np.trace(covariance + other_covariance - 2 * root).real


@pytest.mark.parametrize("dimensions", [1, 2, 16, 64])
def test_fid_of_two_gaussians_is_the_closed_form(random, dimensions):
    one, other = gaussian(random, dimensions), gaussian(random, dimensions)
    assert fid(sigma_points(*one), sigma_points(*other)) == pytest.approx(frechet(one, other), rel=1e-5)


def test_fid_of_gaussians_with_one_spread_is_the_distance_of_their_means(random):
    mean, covariance = gaussian(random, 8)
    assert fid(sigma_points(mean, covariance), sigma_points(mean + 2, covariance)) == pytest.approx(32, rel=1e-5)


@pytest.mark.parametrize("rank", [None, 3])
def test_sigma_points_have_the_moments_they_are_made_of(random, rank):
    mean, covariance = gaussian(random, 8, rank)
    found_mean, found_covariance = moments(sigma_points(mean, covariance))
    np.testing.assert_allclose(found_mean, mean, atol=1e-12)
    np.testing.assert_allclose(found_covariance, covariance, atol=1e-12)


def test_kept_statistics_give_the_figure_of_tf_gan_on_the_features_themselves(random):
    reference = random.normal(size=(500, 32)) @ random.normal(size=(32, 32))
    features = random.normal(size=(300, 32)) + 0.5
    expected = tfgan_shim.evaluation.frechet_classifier_distance_from_activations(reference, features)
    assert fid(sigma_points(*moments(reference)), features) == pytest.approx(float(expected), rel=1e-5)


def test_inception_score_at_its_bounds_and_between(random):
    assert inception_score(np.zeros((50, 10))) == pytest.approx(1, rel=1e-6)
    assert inception_score(np.tile(np.eye(10) * 500, (5, 1))) == pytest.approx(10, rel=1e-6)
    assert inception_score(np.tile(np.eye(10)[:3] * 500, (5, 1))) == pytest.approx(3, rel=1e-6)
    logits = random.normal(size=(200, 10)).astype(np.float32)
    assert inception_score(logits) == pytest.approx(
        float(tfgan_shim.evaluation.classifier_score_from_logits(logits)), rel=1e-5
    )
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    divergence = (probabilities * np.log(probabilities / probabilities.mean(0))).sum(1).mean()
    assert inception_score(logits) == pytest.approx(np.exp(divergence), rel=1e-5)


def test_the_classifier_of_digits_is_right_98_times_in_100(digits, evaluator):
    extractor = evaluator.prepare(digits)
    assert extractor.card["test_accuracy"] >= 0.98
    assert extractor.samples == 1000
    held_out, train = extractor.evaluate(digits.test.images), extractor.evaluate(digits.train.images)
    assert set(train) == {"classifier/fid", "classifier/inception_score"}
    assert train["classifier/fid"] == pytest.approx(0, abs=1e-5), "the reference is the training split"
    assert 0.1 < held_out["classifier/fid"] < 10
    noise = np.random.default_rng(0).integers(0, 256, (500, 8, 8, 1), np.uint8)
    assert extractor.evaluate(noise)["classifier/fid"] > 10 * held_out["classifier/fid"]


@pytest.mark.skipif(not (SHARED_DATA / "mnist").is_dir(), reason="MNIST is not beside this checkout")
def test_the_classifier_of_mnist_is_right_99_times_in_100(evaluator, session_cache):
    from ganfreeze.dataset.mnist import Mnist

    mnist = Mnist(data=str(SHARED_DATA), cache=str(session_cache), mirror="").load()
    extractor = evaluator.prepare(mnist)
    assert extractor.card["test_accuracy"] >= 0.99
    assert extractor.evaluate(mnist.test.images[:5000])["classifier/inception_score"] > 9


def test_it_is_trained_once_and_the_statistics_kept(digits, evaluator, monkeypatch):
    first = evaluator.prepare(digits)
    monkeypatch.setattr(Classifier, "_train", lambda *_: pytest.fail("trained again"))
    monkeypatch.setattr(metrics, "moments", lambda *_: pytest.fail("counted again"))
    second = evaluator.prepare(digits)
    assert second.card == first.card
    assert second.evaluate(digits.test.images) == first.evaluate(digits.test.images)


def test_each_split_has_its_statistics(digits, session_cache):
    extractor = Classifier(cache=str(session_cache), split="test").prepare(digits)
    assert extractor.evaluate(digits.test.images)["classifier/fid"] == pytest.approx(0, abs=1e-5)
    assert extractor.card["split"] == "test"


@pytest.mark.parametrize("damage", ["weights", "card", "statistics"])
def test_a_broken_cache_is_made_again_with_a_warning(tmp_path, damage, caplog, monkeypatch):
    monkeypatch.setattr(classifier, "_LEAST_STEPS", 2)
    images = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), np.uint8)
    data = Dataset.of("tiny", *[Split(images, np.arange(64) % 2)] * 2, source="")
    evaluator = Classifier(cache=str(tmp_path), epochs=1)
    first = evaluator.prepare(data)
    (folder,) = (path for path in tmp_path.glob("classifier/*") if path.is_dir())
    files = {"weights": "classifier.weights.h5", "card": "card.json", "statistics": "reference-train.npz"}
    path = folder / files[damage]
    path.write_bytes(path.read_bytes()[:-20])
    with caplog.at_level(logging.WARNING):
        again = evaluator.prepare(data)
    assert "broken" in caplog.text
    assert again.evaluate(images) == pytest.approx(first.evaluate(images), rel=1e-3, abs=1e-6)
    assert json.loads((folder / "card.json").read_text())["weights"] == again.card["weights"]


def test_it_refuses_what_it_cannot_learn(digits, evaluator):
    for labels, why in ((None, "no labels"), (np.zeros(1437, np.int64), "one class")):
        test = Split(digits.test.images, labels if labels is None else labels[:360])
        data = Dataset("plain", Split(digits.train.images, labels), test, digest="", source="")
        with pytest.raises(BadInput, match=f"dataset=plain has {why}. Choose evaluator=none"):
            evaluator.check(data)
    evaluator.check(digits)
    dots = Dataset.of("dots", *[Split(np.zeros((9, 1, 1, 1), np.uint8), np.arange(9))] * 2, source="")
    with pytest.raises(BadInput, match="needs images of 2x2 or more"):
        evaluator.check(dots)
