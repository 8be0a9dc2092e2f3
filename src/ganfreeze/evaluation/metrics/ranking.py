"""Which metrics can be ranked, and in which direction."""

LARGER_IS_BETTER = frozenset({"inception_score", "precision", "recall", "density", "coverage", "modes", "high_quality"})
SMALLER_IS_BETTER = frozenset({"fid", "kid", "ms_ssim", "sliced_wasserstein", "reverse_kl", "memorization"})


def is_better(metric: str, value: float, than: float) -> bool:
    """Return whether a value of a metric, such as "classifier/fid", is better than another. NaN is never better."""
    return value > than if metric.rpartition("/")[2] in LARGER_IS_BETTER else value < than
