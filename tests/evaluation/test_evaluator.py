"""The metrics on a trained classifier, for real images and for worse ones; its memory, its cache and its cards."""

import json
import logging
import multiprocessing
import tracemalloc
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from conftest import SHARED_DATA
from scipy.ndimage import gaussian_filter

from ganfreeze.backend import tfgan
from ganfreeze.data.dataset.base import Dataset, Split
from ganfreeze.errors import BadInput
from ganfreeze.evaluation import cache, image_metrics, protocol_card
from ganfreeze.evaluation.evaluator.classifier import Classifier
from ganfreeze.evaluation.extractor import classifier, small_network
from ganfreeze.evaluation.extractor.base import Extractor, Features
from ganfreeze.evaluation.metrics.kernel import kernel_distance
from ganfreeze.evaluation.metrics.neighbours import Manifold, density_coverage, memorization, nearest, precision_recall
from ganfreeze.evaluation.reference import ReferenceStatistics

ALL = (  # of `evaluator.metrics`
    "fid",
    "inception_score",
    "kid",
    "precision_recall",
    "density_coverage",
    "memorization",
    "ms_ssim",
    "sliced_wasserstein",
)
NAMES = {  # of the metrics that all of these return
    "fid",
    "inception_score",
    "kid",
    "kid_standard_error",
    "precision",
    "recall",
    "density",
    "coverage",
    "memorization",
    "nearest_train",
    "nearest_train_held_out",
    "ms_ssim",
    "sliced_wasserstein",
}


@pytest.fixture
def evaluator(session_cache):
    return Classifier(cache=str(session_cache))


def batches(images, size=250):
    return (images[start : start + size] for start in range(0, len(images), size))


# --------------------------------------------------------------------------------------- values of the metrics


def test_the_classifier_of_digits_is_right_98_times_in_100(digits, evaluator):
    evaluation = evaluator.prepare(digits)
    assert evaluation.facts["test_accuracy"] >= 0.98
    assert (evaluation.name, evaluation.samples, evaluation.seed) == ("classifier", 1000, 0)
    held_out, train = (evaluation.evaluate(batches(split.examples)) for split in (digits.test, digits.train))
    assert set(train) == {"fid", "inception_score"}
    assert train["fid"] == pytest.approx(0, abs=1e-5), "the reference is the training split"
    assert 0.1 < held_out["fid"] < 10
    noise = np.random.default_rng(0).integers(0, 256, (500, 8, 8, 1), np.uint8)
    assert evaluation.evaluate(batches(noise))["fid"] > 10 * held_out["fid"]


def test_the_card_has_the_metrics_of_held_out_real_images(digits, session_cache):
    """A generator that has learned the distribution gets about these values."""
    options = {"metrics": ("fid", "inception_score", "precision_recall"), "cache": str(session_cache)}
    evaluation = Classifier(**options).prepare(digits)
    held_out = dict(evaluation.card["held_out"])
    assert held_out.pop("samples") == len(digits.test.examples) == 360
    assert held_out.pop("test_accuracy") == evaluation.facts["test_accuracy"] > 0.95
    images = digits.test.examples[np.random.default_rng(0).permutation(360)]
    by_hand = evaluation.evaluate(batches(images))
    assert set(held_out) == set(by_hand) == {"fid", "inception_score", "precision", "recall"}
    assert held_out == pytest.approx(by_hand, rel=1e-5)
    assert Classifier(**options).prepare(digits).card["held_out"] == evaluation.card["held_out"], "from the cache"


def test_what_needs_more_held_out_images_than_there_are_is_left_out(digits, session_cache):
    evaluation = Classifier(splits=10, subset=10, cache=str(session_cache)).prepare(digits)
    assert {"fid", "samples"} < set(evaluation.card["held_out"])
    assert "inception_score" not in evaluation.card["held_out"]

    old = {field: value for field, value in evaluation.card.items() if field != "held_out"}
    assert protocol_card.incomparable({"classifier/fid": [old, evaluation.card]}) == {}, "it is no part of the protocol"


def test_each_split_has_its_own_statistics(digits, session_cache):
    evaluation = Classifier(cache=str(session_cache), split="test").prepare(digits)
    assert evaluation.evaluate(batches(digits.test.examples))["fid"] == pytest.approx(0, abs=1e-5)
    assert evaluation.card["split"] == "test"


def test_each_metric_equals_that_of_its_function_for_any_batches(digits, session_cache):
    """FID and Inception Score equal those of TF-GAN."""
    options = {"metrics": ALL, "samples": 300, "subset": 200, "splits": 3, "neighbours": 3}
    evaluator = Classifier(cache=str(session_cache), **options)
    evaluation, images = evaluator.prepare(digits), digits.test.examples[:300]
    metrics = evaluation.evaluate(batches(images))
    assert set(metrics) == NAMES | {"inception_score_deviation"}
    for size in (100, 300):
        others = dict(evaluation.evaluate(batches(images, size)))
        # It counts pairs of distances: rounding may swap one of them.
        assert others.pop("memorization") == pytest.approx(metrics["memorization"], abs=1.01 / (200 * 200))
        assert others == pytest.approx(
            {name: value for name, value in metrics.items() if name != "memorization"}, rel=1e-5, abs=1e-6
        )

    extractor = classifier.extractor(digits, cache=str(session_cache), epochs=4)
    fake, logits = extractor.extract(images)
    order = np.random.default_rng(0).permutation(len(digits.train.examples))[:200]
    real = extractor.extract(digits.train.examples[order]).vectors
    held_out = extractor.extract(digits.test.examples[np.random.default_rng(0).permutation(360)[:200]]).vectors
    training = extractor.extract(digits.train.examples).vectors
    expected = {
        "fid": tfgan.evaluation.frechet_classifier_distance_from_activations(
            training.astype(np.float64), fake.astype(np.float64)
        ),
        "kid": kernel_distance(real, fake[:200], blocks=10).value,
        "kid_standard_error": kernel_distance(real, fake[:200], blocks=10).standard_error,
        **precision_recall(Manifold(real, 3), Manifold(fake[:200], 3)),
        **density_coverage(Manifold(real, 3), fake[:200]),
        **memorization(nearest(held_out, training), nearest(fake[:200], training)),
        "ms_ssim": image_metrics.ms_ssim(images[::2], images[1::2]).mean(),
        "sliced_wasserstein": image_metrics.sliced_wasserstein(digits.train.examples[order], images[:200]),
    }
    assert {name: metrics[name] for name in expected} == pytest.approx(
        {name: float(value) for name, value in expected.items()}, rel=1e-4, abs=1e-6
    )
    scores = [
        float(tfgan.evaluation.classifier_score_from_logits(part.astype(np.float64))) for part in np.split(logits, 3)
    ]
    assert metrics["inception_score"] == pytest.approx(np.mean(scores), rel=1e-5)
    assert metrics["inception_score_deviation"] == pytest.approx(np.std(scores), rel=1e-3)


@pytest.fixture(scope="module")
def mnist(session_cache):
    """Real MNIST if it is beside the checkout, or else enlarged digits."""
    if (SHARED_DATA / "mnist").is_dir():
        from ganfreeze.data.dataset.mnist import Mnist

        return Mnist(data=str(SHARED_DATA), cache=str(session_cache), mirror="").load()
    from ganfreeze.data.dataset.digits import Digits

    digits = Digits().load()
    enlarged = (Split(split.examples.repeat(3, 1).repeat(3, 2), split.labels) for split in (digits.train, digits.test))
    return Dataset.of("digits_24", *enlarged, source="")


@pytest.fixture(scope="module")
def mnist_evaluation(mnist, session_cache):
    """An evaluator that is ready to return FID, Inception Score, precision and recall."""
    metrics = ("fid", "inception_score", "precision_recall")
    return Classifier(cache=str(session_cache), metrics=metrics, subset=500).prepare(mnist)


def test_the_classifier_of_mnist_is_right_99_times_in_100(mnist, mnist_evaluation):
    assert mnist_evaluation.facts["test_accuracy"] >= (0.99 if mnist.name == "mnist" else 0.97)
    assert mnist_evaluation.evaluate(batches(mnist.test.examples[:5000]))["inception_score"] > 9


def rising(values):
    return all(value < following for value, following in pairwise(values))


def test_fid_rises_with_noise(mnist, mnist_evaluation):
    """Heusel et al. 2017, figure 3."""
    images = mnist.test.examples[:1500].astype(float)
    noise = np.random.default_rng(0).normal(size=images.shape)
    noisy = [np.clip(images + level * noise, 0, 255).astype(np.uint8) for level in (0, 20, 40, 80, 160)]
    assert rising([mnist_evaluation.evaluate(batches(worse))["fid"] for worse in noisy])


def test_fid_rises_with_blur(mnist, mnist_evaluation):
    """Heusel et al. 2017, figure 3."""
    images = mnist.test.examples[:1500].astype(float)
    blurred = [gaussian_filter(images, (0, width, width, 0)).astype(np.uint8) for width in (0, 0.7, 1.4, 2.1, 2.8)]
    assert rising([mnist_evaluation.evaluate(batches(worse))["fid"] for worse in blurred])


def test_fid_rises_and_score_and_recall_fall_as_modes_are_dropped(mnist, mnist_evaluation):
    images, labels = mnist.test.examples[:1500], mnist.test.labels[:1500]
    evaluations = []
    for modes in (10, 8, 6, 4, 2, 1):
        remaining = images[labels < modes]
        evaluations.append(mnist_evaluation.evaluate(batches(np.resize(remaining, (1500, *remaining.shape[1:])))))
    assert rising([metrics["fid"] for metrics in evaluations])
    assert rising([-metrics["inception_score"] for metrics in evaluations])
    assert evaluations[-1]["recall"] < 0.5 * evaluations[0]["recall"]
    assert evaluations[-1]["precision"] > 0.8 * evaluations[0]["precision"], "the remaining images are real"


# ---------------------------------------------------------------------------------------------------- memory


def test_memory_does_not_grow_with_the_number_of_samples(digits, tmp_path):
    """FID, Inception Score and MS-SSIM take no more memory for ten times as many; the others keep `subset` samples."""

    def pixels(images):
        flat = images.reshape(len(images), -1).astype(np.float32)
        return Features(flat, flat[:, :10] / 100)

    class Pixels(Classifier):
        def _extractor(self, dataset):
            return Extractor({"extractor": "pixels", "weights": "none", "resize": "none"}, {}, pixels)

    def peak(samples):
        metrics = ("fid", "inception_score", "kid", "precision_recall", "memorization", "ms_ssim")
        evaluation = Pixels(cache=str(tmp_path), metrics=metrics, samples=samples, subset=100).prepare(digits)
        evaluation.evaluate(digits.train.examples[:100] for _ in range(2))
        tracemalloc.start()
        evaluation.evaluate(digits.train.examples[:100] for _ in range(samples // 100))
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak_bytes

    assert peak(10000) < 1.1 * peak(1000)


# ---------------------------------------------------------------------------------------------------- the cache


def test_the_classifier_and_the_statistics_are_computed_once(digits, evaluator, monkeypatch):
    first = evaluator.prepare(digits)
    monkeypatch.setattr(small_network, "_train", lambda *_: pytest.fail("trained again"))
    monkeypatch.setattr(ReferenceStatistics, "_extracted", lambda *_: pytest.fail("computed again"))
    second = evaluator.prepare(digits)
    assert second.card == first.card
    assert second.evaluate(batches(digits.test.examples)) == first.evaluate(batches(digits.test.examples))


@pytest.fixture
def tiny():
    images = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), np.uint8)
    return Dataset.of("tiny", *[Split(images, np.arange(64) % 2)] * 2, source="")


@pytest.mark.parametrize("damage", ["weights", "card", "gaussian", "features"])
def test_a_broken_cache_is_replaced_with_a_warning(tmp_path, tiny, damage, caplog, monkeypatch):
    monkeypatch.setattr(small_network, "_LEAST_STEPS", 2)
    evaluator = Classifier(cache=str(tmp_path), epochs=1, metrics=("fid", "kid"), samples=64)
    first = evaluator.prepare(tiny)
    (folder,) = (path for path in tmp_path.glob("classifier/*") if path.is_dir())
    _, features, gaussian = sorted(tmp_path.glob("reference/*.npz"), key=lambda path: path.stat().st_size)
    files = {"weights": folder / "classifier.weights.h5", "card": folder / "card.json"}
    files |= {"gaussian": gaussian, "features": features}
    content = files[damage].read_bytes()
    middle = len(content) // 2  # in a file of weights, one of their bits: it could be read all the same
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    files[damage].write_bytes({"card": content[:-20], "weights": flipped}.get(damage, content[:-20] + bytes(20)))
    with caplog.at_level(logging.WARNING):
        second = evaluator.prepare(tiny)
    assert "broken" in caplog.text
    images = tiny.train.examples
    assert second.evaluate([images]) == pytest.approx(first.evaluate([images]), rel=1e-3, abs=1e-6)
    assert json.loads((folder / "card.json").read_text())["weights"] == second.card["weights"]
    caplog.clear()
    evaluator.prepare(tiny)
    assert not caplog.text


def read_cached(folder, counter):
    def make():
        with counter.get_lock():
            counter.value += 1
        return {"values": np.arange(5)}

    assert cache.arrays(folder, {"what": "numbers"}, make)["values"].sum() == 10


def test_one_of_several_jobs_computes_for_all(tmp_path):
    context = multiprocessing.get_context("fork")
    counter = context.Value("i", 0)
    jobs = [context.Process(target=read_cached, args=(tmp_path, counter)) for _ in range(4)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert [job.exitcode for job in jobs] == [0] * 4
    assert counter.value == 1


def test_each_key_has_its_file_and_a_full_disk_loses_nothing(tmp_path, caplog, monkeypatch):
    arrays = partial(cache.arrays, tmp_path, make=lambda: {"values": np.ones(3)})
    arrays({"split": "train"})
    arrays({"split": "test"})
    assert len(list(tmp_path.glob("*.npz"))) == 2

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "write", full)
    with caplog.at_level(logging.WARNING):
        assert arrays({"split": "other"})["values"].sum() == 3
    assert "could not be written ([Errno 28] No space left on device)" in caplog.text


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    cache.write(tmp_path / "file", b"old")
    monkeypatch.setattr(cache.os, "fdopen", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        cache.write(tmp_path / "file", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


# ----------------------------------------------------------------------------------------------- cards, refusals


def test_a_card_has_all_fields_of_the_protocol(digits, session_cache):
    card = Classifier(cache=str(session_cache), samples=500, split="test").prepare(digits).card
    assert set(protocol_card.FIELDS) - {"seeds", "ema"} <= set(card), "only the run knows these two"
    assert card["dataset"] == f"digits {digits.digest[:16]}"
    assert (card["samples"], card["split"], card["quantisation"]) == (500, "test", "uint8")
    assert len(card["weights"]) == 64
    assert json.loads(json.dumps(card)) == card


def test_metrics_with_different_cards_are_refused_and_the_fields_are_named():
    card = {"samples": 1000, "split": "train", "weights": "0" * 64}
    different = [card, card | {"samples": 500}, card | {"split": "test"}, {"samples": 1000}]
    refused = protocol_card.incomparable(
        {"classifier/fid": different, "classifier/kid": [card, dict(card)], "classifier/ms_ssim": different}
    )
    assert set(refused) == {"classifier/fid", "classifier/ms_ssim"}
    assert protocol_card.explain(refused) == (
        "classifier/fid, classifier/ms_ssim: not comparable: the protocols differ in samples: 1000, 500; "
        "split: train, test, not said; weights: 000000000000..., not said\n"
    )
    assert protocol_card.explain({}) == ""


def test_a_field_of_one_metric_does_not_refuse_the_others(digits, session_cache):
    """Only the Inception Score depends on `splits`, and FID does not depend on `subset`."""
    few, many = (
        Classifier(cache=str(session_cache), metrics=ALL, splits=splits, subset=subset, samples=400)
        .prepare(digits)
        .card
        for splits, subset in ((1, 200), (4, 300))
    )
    refused = protocol_card.incomparable(
        {f"classifier/{name}": [few, many] for name in (*NAMES, "fid_spread", "kid_spread")}
    )
    assert {name.partition("/")[2] for name in refused} == NAMES - {"fid", "ms_ssim"} | {"kid_spread"}
    assert refused["classifier/inception_score"] == "splits: 1, 4"
    assert refused["classifier/kid_spread"] == "samples: 200, 300"
    assert protocol_card.for_metric(few, "precision")["neighbours"] == 3, "Kynkaanniemi et al. 2019"
    assert protocol_card.for_metric(few, "density")["neighbours"] == 5, "Naeem et al. 2020"
    assert protocol_card.for_metric(few, "memorization")["samples"] == 200


def test_data_that_no_network_can_learn_are_refused(digits, evaluator):
    evaluator.check(digits)
    single = Split(digits.test.examples[:1], digits.test.labels[:1])
    with pytest.raises(BadInput, match="needs two images or more in each split; dataset=digits has 1437 and 1"):
        evaluator.check(replace(digits, test=single))
    dots = Dataset.of("dots", *[Split(np.zeros((9, 1, 1, 1), np.uint8), np.arange(9))] * 2, source="")
    with pytest.raises(BadInput, match="needs images of 2x2 or more; dataset=dots"):
        evaluator.check(dots)
    points = Dataset.of("points", *[Split(np.zeros((9, 2), np.float32), np.arange(9) % 2)] * 2, source="")
    with pytest.raises(BadInput, match=r"evaluator=classifier needs images; .* shape \(2,\). Choose evaluator=none"):
        evaluator.check(points)


def test_metrics_that_the_data_do_not_allow_are_refused(digits):
    few = replace(digits, train=Split(digits.train.examples[:50], digits.train.labels[:50]))
    with pytest.raises(BadInput, match="neighbours=60: must be less than the images of the train split, 50"):
        Classifier(cache="", metrics=("precision_recall",), neighbours=60).check(few)
    shapes = {
        (4, 4, 1): "ms_ssim.*need images of 8x8 or more",
        (8, 16, 1): "needs square images",
        (33, 33, 1): "needs square images whose side can be halved to 16 to 31 pixels",
    }
    for shape, message in shapes.items():
        images = np.zeros((9, *shape), np.uint8)
        data = Dataset.of("odd", *[Split(images, np.arange(9) % 3)] * 2, source="")
        with pytest.raises(BadInput, match=message):
            Classifier(cache="", metrics=("ms_ssim", "sliced_wasserstein")).check(data)
        Classifier(cache="").check(data)
