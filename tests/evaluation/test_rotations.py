"""The default evaluator on images without labels: features that were learned by predicting rotations."""

import logging
from itertools import pairwise

import numpy as np
import pytest

from ganfreeze.app import measures
from ganfreeze.data.dataset.base import Dataset, Split
from ganfreeze.errors import BadInput
from ganfreeze.evaluation import protocol_card
from ganfreeze.evaluation.evaluated_generator import evaluated_generators
from ganfreeze.evaluation.evaluator.classifier import Classifier
from ganfreeze.evaluation.evaluator.inception import Inception
from ganfreeze.evaluation.extractor import rotations, small_network
from ganfreeze.evaluation.extractor.base import Features


def labelled(dataset, label, name="plain"):
    """Return the same images, all with one label, or without labels if it is None."""
    splits = [
        Split(split.examples, None if label is None else np.full(len(split.examples), label))
        for split in (dataset.train, dataset.test)
    ]
    return Dataset.of(name, *splits, source="")


@pytest.fixture(scope="module")
def unlabelled(digits):
    """Return the digits without their labels."""
    return labelled(digits, None)


@pytest.fixture(scope="module")
def prepared(unlabelled, session_cache):
    return Classifier(cache=str(session_cache)).prepare(unlabelled)


@pytest.fixture
def few_steps(monkeypatch):
    """Train networks for two steps, where it does not matter what they learn."""
    monkeypatch.setattr(small_network, "_LEAST_STEPS", 2)


def fid(prepared, images):
    return prepared.evaluate(images[start : start + 250] for start in range(0, len(images), 250))["fid"]


def test_rotations_of_digits_are_predicted_and_the_metrics_rank_images(digits, prepared):
    assert prepared.facts["rotation_accuracy"] > 0.9
    images, labels = digits.test.examples, digits.test.labels
    assert fid(prepared, digits.train.examples) == pytest.approx(0, abs=1e-4), "the reference is the training split"
    of_held_out = fid(prepared, images)
    assert prepared.card["held_out"]["fid"] == pytest.approx(of_held_out, rel=1e-4)
    dropped = [fid(prepared, np.resize(images[labels < modes], images.shape)) for modes in (10, 6, 4, 2, 1)]
    noise = np.random.default_rng(0).normal(size=images.shape)
    noisy = [fid(prepared, np.clip(images + level * noise, 0, 255).astype(np.uint8)) for level in (0, 20, 40, 80)]
    assert all(value < following for worse in (dropped, noisy) for value, following in pairwise(worse))
    halves = images.copy()
    halves[:, :4] = images[::-1, :4]  # of another digit
    assert fid(prepared, halves) > 3 * of_held_out


def test_the_inception_score_is_left_out_and_the_card_says_why(prepared, unlabelled, session_cache):
    assert set(prepared.evaluate([unlabelled.test.examples])) == {"fid"}
    card = prepared.card
    assert card["extractor"] == "rotations"
    assert card["features"] == "learned by predicting rotations, because dataset=plain has no labels"
    reason = "dataset=plain has no labels, and it needs classes"
    assert protocol_card.for_metric(card, "inception_score")["left_out"] == reason
    assert set(card["held_out"]) == {"fid", "samples", "rotation_accuracy"}
    assert set(protocol_card.FIELDS) - {"seeds", "ema"} <= set(card)
    glance = prepared.glance()
    assert set(glance.evaluate([unlabelled.test.examples[:128]])) == {"fid"}
    asked_less = Classifier(cache=str(session_cache), metrics=("fid",)).prepare(unlabelled).card
    assert protocol_card.incomparable({"classifier/fid": [card, asked_less]}) == {}


def test_metrics_by_labels_and_without_are_not_comparable(digits, prepared, session_cache):
    with_labels = Classifier(cache=str(session_cache)).prepare(digits).card
    same_data = {**prepared.card, "dataset": with_labels["dataset"]}
    refused = protocol_card.incomparable({"classifier/fid": [with_labels, same_data]})
    assert "extractor: classifier, rotations" in refused["classifier/fid"]


def test_labels_that_tell_nothing_apart_are_not_learned(digits, tmp_path, few_steps, caplog):
    with caplog.at_level(logging.INFO):
        prepared = Classifier(cache=str(tmp_path), epochs=1).prepare(labelled(digits, 3))
    assert prepared.card["features"] == "learned by predicting rotations, because dataset=plain has one class"
    line = (
        "evaluator=classifier: its features are learned by predicting rotations, because dataset=plain has one class; "
        "inception_score needs classes, and is left out"
    )
    assert caplog.messages[0] == line
    assert caplog.messages[1].startswith("training a predictor of rotations of plain, once; it is saved in ")


def test_each_image_is_in_a_batch_in_all_four_turns(digits, unlabelled, monkeypatch):
    """Gidaris et al. 2018: all copies of an image at the same time."""
    tasks = []

    def learned(dataset, task, **options):
        tasks.append(task)
        return small_network.Learned(lambda images: Features(images, np.eye(4)[len(images) * [0]]), "", 1.0)

    monkeypatch.setattr(rotations, "learned", learned)
    rotations.extractor(unlabelled, cache="", epochs=1)
    (task,) = tasks
    views, labels = task.batch(0)
    assert (views.shape, labels.tolist(), task.classes) == ((64, 8, 8, 1), sorted([0, 1, 2, 3] * 16), 4)
    for turn in range(4):
        np.testing.assert_array_equal(views[labels == turn], np.rot90(views[:16], turn, (1, 2)))
    assert task.accuracy(lambda images: Features(images, np.eye(4)[len(images) * [2]])) == 0.25


def test_images_that_are_not_square_are_turned_by_half(tmp_path, few_steps):
    images = np.random.default_rng(0).integers(0, 256, (64, 8, 12, 3), np.uint8)
    data = Dataset.of("wide", *[Split(images, None)] * 2, source="")
    prepared = Classifier(cache=str(tmp_path), epochs=1).prepare(data)
    assert fid(prepared, images) == pytest.approx(0, abs=1e-4)


def test_images_that_look_alike_when_they_are_turned_cause_a_warning(tmp_path, few_steps, caplog):
    images = np.broadcast_to(np.arange(64, dtype=np.uint8).reshape(-1, 1, 1, 1), (64, 8, 8, 1))
    data = Dataset.of("flat", *[Split(images, None)] * 2, source="")
    with caplog.at_level(logging.WARNING):
        prepared = Classifier(cache=str(tmp_path), epochs=1).prepare(data)
    assert prepared.facts["rotation_accuracy"] == 0.25, "each view gets the same answer, and one in four is right"
    assert "look alike when they are turned: 25% of the rotations were predicted, and chance is 25%" in caplog.text


def test_the_same_images_give_the_same_network(unlabelled, tmp_path, few_steps):
    first, second = (rotations.extractor(unlabelled, cache=str(tmp_path / name), epochs=1) for name in "ab")
    images = unlabelled.test.examples
    np.testing.assert_array_equal(first.extract(images).vectors, second.extract(images).vectors)
    again = rotations.extractor(unlabelled, cache=str(tmp_path / "a"), epochs=1)
    assert again.identity == first.identity
    np.testing.assert_array_equal(again.extract(images).vectors, first.extract(images).vectors)


def test_what_needs_classes_is_refused_if_nothing_else_is_asked(unlabelled, digits, prepared):
    evaluator = Classifier(cache="", metrics=("inception_score",))
    message = (
        r"evaluator.metrics=\['inception_score'\]: nothing is left to measure. inception_score: dataset=plain has no"
    )
    with pytest.raises(BadInput, match=message):
        evaluator.check(unlabelled)
    evaluator.check(digits)
    Inception(cache="", metrics=("inception_score",)).check(unlabelled)
    evaluated = list(evaluated_generators(prepared, {"": None}, None, [0]))
    measures._require_not_left_out("classifier/fid", evaluated)
    with pytest.raises(
        BadInput, match=r"keep.best=classifier/inception_score: is not measured: dataset=plain has no labels"
    ):
        measures._require_not_left_out("classifier/inception_score", evaluated)
