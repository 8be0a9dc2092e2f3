"""The Inception evaluator, on a SavedModel of its signature with random weights, and the sources of its graph."""

import hashlib
import io
import re
import shutil
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from ganfreeze.backend import tensorflow as tf
from ganfreeze.backend import tfgan
from ganfreeze.data.dataset.base import Dataset, Split
from ganfreeze.errors import BadInput
from ganfreeze.evaluation.evaluator.inception import Inception
from ganfreeze.evaluation.extractor import inception

HANDLE = "https://tfhub.dev/tensorflow/tfgan/eval/inception/1"


def save(folder, seed=0, outputs=("pool_3", "logits")):
    """Save a network (n, 299, 299, 3) -> pool_3 (n, 1, 1, 32), logits (n, 20): as Inception, but narrower."""
    random = np.random.default_rng(seed)
    module = tf.Module()
    module.kernel = tf.Variable(random.normal(size=(16, 16, 3, 32)) / 10, dtype=tf.float32)
    module.classes = tf.Variable(random.normal(size=(32, 20)) * 3, dtype=tf.float32)

    @tf.function(input_signature=[tf.TensorSpec((None, 299, 299, 3), tf.float32)])
    def call(images):
        pooled = tf.reduce_mean(tf.nn.relu(tf.nn.conv2d(images, module.kernel, 16, "SAME")), (1, 2), keepdims=True)
        return dict(zip(outputs, (pooled, tf.matmul(pooled[:, 0, 0], module.classes)), strict=True))

    module.__call__ = call
    tf.saved_model.save(module, str(folder), signatures=call)
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return save(tmp_path_factory.mktemp("inception") / "module")


@pytest.fixture(scope="module")
def colours():
    random = np.random.default_rng(0)
    train, test = (random.integers(0, 256, (count, 16, 16, 3), np.uint8) for count in (120, 80))
    return Dataset.of("colours", Split(train, None), Split((test * 0.8).astype(np.uint8), None), source="")


def by_tf_gan(images, folder):
    """Do as TF-GAN's examples: scale to [-1, 1], resize, and run the module from TF-Hub."""
    resized = tf.image.resize(images / np.float32(127.5) - 1, (299, 299), method=tf.image.ResizeMethod.BILINEAR)
    classifier_fn = tfgan.evaluation.classifier_fn_from_tfhub(str(folder), None)
    return tfgan.evaluation.run_inception(resized, classifier_fn=classifier_fn)


def test_the_metrics_equal_those_of_tf_gan_from_images_on(weights, colours, tmp_path):
    evaluator = Inception(
        cache=str(tmp_path), weights=str(weights), samples=80, metrics=("fid", "inception_score", "kid")
    )
    evaluator.check(colours)
    evaluation = evaluator.prepare(colours)
    samples = colours.test.examples
    metrics = evaluation.evaluate([samples[:50], samples[50:]])

    real, fake = (by_tf_gan(images, weights) for images in (colours.train.examples, samples))
    functions = tfgan.evaluation
    fid = functions.frechet_classifier_distance_from_activations(real["pool_3"], fake["pool_3"])
    assert metrics["fid"] == pytest.approx(float(fid), rel=1e-4)
    assert metrics["fid"] > 0.01
    score = functions.classifier_score_from_logits(fake["logits"])
    assert metrics["inception_score"] == pytest.approx(float(score), rel=1e-5)
    assert metrics["inception_score"] > 1.001
    order = np.random.default_rng(0).permutation(120)[:80]
    kid, error = functions.kernel_classifier_distance_and_std_from_activations(
        tf.gather(real["pool_3"], order), fake["pool_3"], max_block_size=8
    )
    assert metrics["kid"] == pytest.approx(float(kid), rel=1e-3)
    assert metrics["kid_standard_error"] == pytest.approx(float(error), rel=1e-3)


def test_grey_images_are_shown_as_rgb(weights, digits):
    grey = digits.test.examples[:7]
    extract = inception.extractor(str(weights), "tfgan").extract
    features = extract(grey)
    np.testing.assert_array_equal(features.vectors, extract(grey.repeat(3, axis=3)).vectors)
    assert (features.vectors.shape, features.logits.shape) == ((7, 32), (7, 20))


def test_the_card_has_the_hash_and_the_resize(weights, tmp_path):
    card = inception.extractor(str(weights), "clean").identity
    copy = tmp_path / "copy"
    shutil.copytree(weights, copy)
    assert inception.extractor(str(copy), "clean").identity == card
    assert card["resize"] == "clean"
    assert re.fullmatch("[0-9a-f]{64}", card["weights"])
    assert inception.extractor(str(save(tmp_path / "other", seed=1)), "tfgan").identity["weights"] != card["weights"]


def test_clean_resizing_is_pillows_bicubic_with_antialiasing():
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (2, 40, 40, 3), np.uint8)
    resized = (inception._clean(images) + 1) * 127.5
    expected = np.asarray(
        Image.fromarray(images[1, ..., 2].astype(np.float32)).resize((299, 299), Image.Resampling.BICUBIC)
    )
    np.testing.assert_allclose(resized[1, ..., 2], expected.clip(0, 255), atol=1e-3)
    by_tensorflow = tf.image.resize(images.astype(np.float32), (299, 299), "bicubic", antialias=True).numpy()
    inner = (slice(None), slice(20, -20), slice(20, -20))
    np.testing.assert_allclose(resized[inner], by_tensorflow[inner].clip(0, 255), atol=1.0)


def test_the_resize_of_the_original_fid_code_is_another():
    """It samples at i * side / 299, without half-pixel centres: at the image's left edge, half a pixel further left."""
    ramp = np.arange(32, dtype=np.float32)[None, None, :, None].repeat(32, 1).repeat(3, 3)
    original = tf.compat.v1.image.resize_bilinear(ramp, (299, 299), align_corners=False, half_pixel_centers=False)
    ours = (inception._bilinear(ramp.astype(np.uint8)).numpy() + 1) * 127.5
    inner = slice(20, -20)
    places = np.arange(299)
    np.testing.assert_allclose(original.numpy()[0, 0, inner, 0], (places * 32 / 299)[inner], atol=1e-3)
    np.testing.assert_allclose(ours[0, 0, inner, 0], ((places + 0.5) * 32 / 299 - 0.5)[inner], atol=1e-3)


def test_clean_resizing_keeps_fine_patterns_from_aliasing():
    """A checkerboard of single pixels becomes grey when it shrinks with antialiasing, and not without it."""
    board = (np.indices((640, 640)).sum(0) % 2 * 255).astype(np.uint8)[None, :, :, None].repeat(3, axis=3)
    clean = inception._clean(board)[0, 20:-20, 20:-20]
    aliased = inception._bilinear(board).numpy()[0, 20:-20, 20:-20]
    assert clean.std() < 0.05
    assert aliased.std() > 0.2


# ------------------------------------------------------------------------------------------ sources of the graph


def test_the_graph_is_read_from_tf_hubs_own_cache(weights, colours, tmp_path, monkeypatch):
    hashed = hashlib.sha1(HANDLE.encode()).hexdigest()
    shutil.copytree(weights, tmp_path / "hub" / hashed)
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "hub"))
    cached = Inception(cache=str(tmp_path), samples=40).prepare(colours)
    local = Inception(cache=str(tmp_path), weights=str(weights), samples=40).prepare(colours)
    assert cached.card == local.card
    samples = [colours.test.examples[:40]]
    assert cached.evaluate(samples) == local.evaluate(samples)


class Hub(BaseHTTPRequestHandler):
    """A server like TF-Hub: a module's address with ?tf-hub-format=compressed after it returns the module as tar.gz."""

    def do_GET(self):
        self.server.requests.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.server.archive)

    def log_message(self, *_):
        pass


def test_the_graph_is_downloaded_once(weights, tmp_path, monkeypatch):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(weights, arcname=".")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.archive, server.requests = packed.getvalue(), []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    handle = f"http://127.0.0.1:{server.server_port}/tfgan/eval/inception/1"
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "hub"))
    monkeypatch.setattr("tensorflow_gan.eval.INCEPTION_TFHUB", handle)
    try:
        identities = [inception.extractor(None, "tfgan").identity for _ in range(2)]
    finally:
        server.shutdown()
    assert server.requests == ["/tfgan/eval/inception/1?tf-hub-format=compressed"]
    assert len(identities[0]["weights"]) == 64
    assert identities[0] == identities[1]


def test_the_error_without_a_network_says_what_to_do(colours, tmp_path, monkeypatch):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "empty"))
    monkeypatch.setattr("tensorflow_gan.eval.INCEPTION_TFHUB", "http://127.0.0.1:9/inception/1")
    with pytest.raises(BadInput) as error:
        Inception(cache=str(tmp_path)).prepare(colours)
    for text in (
        "TF-Hub could not be reached",
        "TFHUB_CACHE_DIR",
        "evaluator.weights=FOLDER",
        "tf-hub-format=compressed",
    ):
        assert text in str(error.value)


def test_a_folder_without_such_a_model_is_refused(colours, tmp_path):
    with pytest.raises(BadInput, match=r"evaluator.weights=.*missing: must be the folder of a SavedModel"):
        Inception(cache="", weights=str(tmp_path / "missing")).check(colours)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "saved_model.pb").write_bytes(b"nonsense")
    Inception(cache="", weights=str(broken)).check(colours)
    with pytest.raises(BadInput, match="cannot be read as a SavedModel"):
        inception.extractor(str(broken), "tfgan")
    with pytest.raises(BadInput, match=r"not a function from images \(n, 299, 299, 3\) to a dict with pool_3 and log"):
        inception.extractor(str(save(tmp_path / "other", outputs=("features", "logits"))), "tfgan")
    four = Split(np.zeros((9, 8, 8, 4), np.uint8), None)
    with pytest.raises(BadInput, match="needs grey or RGB images; dataset=four has 4 channels"):
        Inception(cache="").check(Dataset.of("four", four, four, source=""))


def test_the_resize_of_the_original_fid_code_is_shifted_by_up_to_half_a_pixel():
    """Its output j of n lies at j * side / n of the input, and ours at (j + 0.5) * side / n - 0.5."""
    side, grey_levels = 8, 20
    ramp = np.broadcast_to(grey_levels * np.arange(side, dtype=np.uint8), (1, side, side))[..., np.newaxis]
    original = tf.compat.v1.image.resize_bilinear(tf.cast(ramp, tf.float32), (299, 299), half_pixel_centers=False)
    ours = (np.asarray(inception._bilinear(ramp)) + 1) * 127.5
    interior = slice(60, 240)
    shift = (np.asarray(original) - ours)[0, 0, interior, 0] / grey_levels  # in pixels of the input
    np.testing.assert_allclose(shift, 0.5 * (1 - side / 299), atol=1e-3)
