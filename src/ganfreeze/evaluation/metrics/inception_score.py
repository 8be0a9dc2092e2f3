"""The Inception Score, from sums that grow batch by batch."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


class InceptionScore:
    """The Inception Score exp E KL(p(y|x) || p(y)) of logits that come batch by batch.

    It is between 1 and the number of classes. The `count` samples are split, in the order in which they come, into
    `splits` parts whose sizes differ by one at most. With several parts, the Inception Score is the mean of the parts'
    scores, and their standard deviation measures its noise. A part keeps only sums over its samples, so memory does not
    grow with their number.

    Source: Salimans et al. 2016, section 4, which has 10 parts of 5,000.
    """

    def __init__(self, count: int, splits: int = 1) -> None:
        self._ends = [count * part // splits for part in range(1, splits)]
        self._sums: list[list[Any]] = [[0, 0.0, 0.0] for _ in range(splits)]  # samples, sum of p log p, sum of p
        self._seen = 0

    def update(self, logits: NDArray[Any]) -> None:
        """Add the logits (n, classes) of the next n samples."""
        from scipy.special import log_softmax

        while len(logits):
            part = int(np.searchsorted(self._ends, self._seen, side="right"))
            batch, logits = np.split(logits, [end - self._seen for end in self._ends[part : part + 1]] or [len(logits)])
            logs = log_softmax(batch.astype(np.float64), axis=1)
            sums = self._sums[part]
            sums[0] += len(batch)
            sums[1] += (np.exp(logs) * logs).sum()
            sums[2] = sums[2] + np.exp(logs).sum(0)
            self._seen += len(batch)

    def scores(self) -> NDArray[np.float64]:
        """Return the score of each part, (splits,)."""
        return np.array([_score(*sums) for sums in self._sums])


def _score(count: int, negative_entropy: float, total: NDArray[np.float64]) -> float:
    """Return the score of one part from its sums.

    KL(p(y|x) || p(y)) = sum p log p - sum p log q, where q = p(y) is the mean of p over x. The second sum is linear in
    p, so its mean over x needs only the mean of p.
    """
    marginal = total / count
    logs = np.log(marginal, where=marginal > 0, out=np.zeros_like(marginal))
    return float(np.exp(negative_entropy / count - (marginal * logs).sum()))
