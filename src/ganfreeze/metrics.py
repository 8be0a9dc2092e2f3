"""Arrays in, numbers out: the figures that evaluators give, by TF-GAN's evaluation functions."""

import numpy as np
from numpy.typing import NDArray

from ganfreeze import tfgan_shim


def fid(reference: NDArray[np.float64], features: NDArray[np.float32]) -> float:
    """TF-GAN's Frechet distance between activations (n, d) and (m, d), in float64."""
    return float(
        tfgan_shim.evaluation.frechet_classifier_distance_from_activations(reference, features.astype(np.float64))
    )


def inception_score(logits: NDArray[np.float32]) -> float:
    """TF-GAN's Inception Score of logits (n, classes), in float64; from 1 to the number of classes."""
    return float(tfgan_shim.evaluation.classifier_score_from_logits(logits.astype(np.float64)))


def moments(features: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mean (d,) and the unbiased covariance (d, d) of features (n, d)."""
    exact = features.astype(np.float64)
    return exact.mean(0), np.cov(exact, rowvar=False)


def sigma_points(mean: NDArray[np.float64], covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """2d points, (2d, d), with exactly this mean and this unbiased covariance.

    TF-GAN's Frechet distance takes activations, of which it uses the mean and the covariance only: so the statistics
    of a whole split can be kept, and handed to it as these few points, mean +- sqrt(d - 1/2) times the columns of the
    covariance's root (Julier & Uhlmann 1997, equation 12, with weights made equal).
    """
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(values.clip(0))
    spread = np.sqrt(len(mean) - 0.5) * root.T
    return np.concatenate([mean + spread, mean - spread])
