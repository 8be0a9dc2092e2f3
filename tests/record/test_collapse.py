"""Signs of a collapse are noticed once, at the first step at which they are there."""

import numpy as np
import pytest

from ganfreeze import events
from ganfreeze.record.collapse import CollapseDetector

RANDOM = np.random.default_rng(0)
REAL = RANDOM.integers(0, 256, (100, 8, 8, 1), np.uint8)
SAME = np.repeat(REAL[:1], 64, axis=0)
NEARLY = SAME + (RANDOM.random(SAME.shape) < 0.1).astype(np.uint8)


def tags(*happened, real=REAL):
    detector = CollapseDetector(real)
    return [(noticed.step, *noticed.tags.items()) for event in happened for noticed in detector.notice(event)]


def sampled(step, examples, name="samples"):
    return events.Sampled(step, name, examples)


def test_a_healthy_run_has_no_sign():
    assert tags(sampled(0, SAME), sampled(10, REAL), events.Measured(10, {"discriminator_loss": 0.3, "fid": 0.0})) == []


def test_a_discriminator_loss_of_zero_is_noticed_once():
    losses = [events.Measured(step, {"discriminator_loss": loss}) for step, loss in ((5, 0.1), (10, 1e-5), (15, 0.0))]
    assert tags(*losses) == [(10, ("collapse.discriminator_loss", "1e-05 at step 10"))]


def test_a_constant_output_is_noticed():
    happened = sampled(5, REAL), sampled(10, SAME), sampled(15, SAME)
    assert tags(*happened) == [(10, ("collapse.constant_output", "all samples are the same at step 10"))]


def test_a_small_variance_is_noticed():
    ((step, (tag, text)),) = tags(sampled(10, NEARLY, "samples_ema"))
    assert (step, tag) == (10, "collapse.sample_variance")
    share = NEARLY.astype(float).var(axis=0).mean() / REAL.astype(float).var(axis=0).mean()
    assert text == f"the variance of samples_ema is {share:.2g} of that of real data at step 10"


@pytest.mark.parametrize("real", [np.zeros((10, 1), np.float32)])
def test_real_data_without_variance_has_no_sign(real):
    """The Dirac-GAN's data are one point."""
    assert tags(sampled(10, np.array([[0.5], [0.1]], np.float32)), real=real) == []
