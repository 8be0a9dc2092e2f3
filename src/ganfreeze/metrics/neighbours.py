"""Figures that nearest neighbours tell: precision and recall, density and coverage, memorization."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def precision_recall(real: NDArray[Any], fake: NDArray[Any], *, neighbours: int) -> Mapping[str, float]:
    """`precision`, the share of fakes that lie within the reach of a real example, and `recall`, the share of real ones
    within the reach of a fake; features (n, d) and (m, d), each from 0 to 1.

    An example reaches as far as its `neighbours`-th nearest neighbour among its own kind.

    Source: Kynkaanniemi et al. 2019, equations 1 and 2, with 3 neighbours; as there, the reach is a closed ball.
    """
    return {
        "precision": float(np.mean(_reached(fake, real, _reach(real, neighbours)) > 0)),
        "recall": float(np.mean(_reached(real, fake, _reach(fake, neighbours)) > 0)),
    }


def density_coverage(real: NDArray[Any], fake: NDArray[Any], *, neighbours: int) -> Mapping[str, float]:
    """`density`, how many real examples reach a fake, by how many are expected to where both are one distribution: 0 or
    more, 1 there; and `coverage`, the share of real examples that reach a fake, from 0 to 1.

    One outlier among the real examples, which reaches far, raises precision but hardly the density; among the fakes it
    raises recall but not the coverage.

    Source: Naeem et al. 2020, equations 2 and 3, with 5 neighbours.
    """
    reach = _reach(real, neighbours)
    return {
        "density": float(_reached(fake, real, reach).mean() / neighbours),
        "coverage": float(np.mean(_nearest(fake, of=real) <= reach)),
    }


def memorization(train: NDArray[Any], held_out: NDArray[Any], fake: NDArray[Any]) -> Mapping[str, float]:
    """Are fakes nearer to what was trained on than to what was held out? Features (n, d), (n, d) and (m, d): as many of
    both, because the nearest of more is nearer.

    `nearest_train` and `nearest_held_out` are the mean distances of a fake to the nearest of each; `memorization` is
    the share of fakes that are nearer to the training examples (ties count half): 1/2 where nothing was memorized, and
    1 where all fakes are copies.

    Source: the nearest-neighbour two-sample test as a generator's, Lopez-Paz & Oquab 2017; Meehan et al. 2020.
    """
    if len(train) != len(held_out):
        raise ValueError(f"{len(train)} training examples and {len(held_out)} held out are no fair comparison")
    to_train, to_held_out = _nearest(train, of=fake), _nearest(held_out, of=fake)
    nearer = np.mean(to_train < to_held_out) + np.mean(to_train == to_held_out) / 2
    return {
        "memorization": float(nearer),
        "nearest_train": float(to_train.mean()),
        "nearest_held_out": float(to_held_out.mean()),
    }


def _reach(examples: NDArray[Any], neighbours: int) -> NDArray[np.float64]:
    """How far the `neighbours`-th nearest of the others is, (n,)."""
    return _search(examples, neighbours).kneighbors()[0][:, -1]


def _nearest(examples: NDArray[Any], *, of: NDArray[Any]) -> NDArray[np.float64]:
    """How far the nearest of `examples` is from each of `of`, (m,)."""
    return _search(examples, 1).kneighbors(of.astype(np.float64))[0][:, 0]


def _search(examples: NDArray[Any], neighbours: int) -> Any:
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=neighbours, algorithm="brute").fit(examples.astype(np.float64))


def _reached(points: NDArray[Any], centres: NDArray[Any], reach: NDArray[np.float64]) -> NDArray[np.int64]:
    """How many centres reach each point, (n,); a piece of the distances at a time."""
    from sklearn.metrics import pairwise_distances_chunked

    def count(distances: NDArray[np.float64], _: int) -> NDArray[np.int64]:
        return (distances <= reach).sum(1)

    pieces: Iterator[Any] = pairwise_distances_chunked(
        points.astype(np.float64), centres.astype(np.float64), reduce_func=count
    )
    return np.concatenate(list(pieces))
