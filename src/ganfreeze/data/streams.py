"""Batches and noise as pure functions of the seed.

Every strategy sees the same batches and noise, and a run has no iterator state to save. NumPy draws everything, from a
generator seeded with (seed, kind, step, ...). TensorFlow's stateless normal numbers differ between XLA and plain
kernels, and XLA cannot compile its stateless shuffle.
"""

import mmap
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ganfreeze.data.dataset.base import Examples
from ganfreeze.types import Latent, PhaseName

_MOST_RESIDENT = 2**30  # bytes
_EPOCH, _NOISE, _SAMPLES, _WEIGHTS = range(4)
_PHASES: dict[PhaseName, int] = {"discriminator": 0, "generator": 1}


def weight_generator(seed: int) -> np.random.Generator:
    """Return the random generator that initial weights are drawn from."""
    return np.random.default_rng((seed, _WEIGHTS))


@lru_cache(maxsize=2)  # a batch that is smaller than the data set touches two epochs at most
def _permutation(seed: int, epoch: int, examples: int) -> NDArray[np.int64]:
    return np.random.default_rng((seed, _EPOCH, epoch)).permutation(examples)


def sample_noise(seed: int, count: int, latent_dim: int, latent: Latent) -> NDArray[np.float32]:
    """Return the latent vectors of the samples, (count, latent_dim), from the distribution `latent`.

    The vectors of a smaller `count` are the first ones of a larger `count`.
    """
    return next(sample_batches(seed, count, latent_dim, latent, count))


def sample_batches(seed: int, count: int, latent_dim: int, latent: Latent, size: int) -> Iterator[NDArray[np.float32]]:
    """Yield the latent vectors of `sample_noise`, at most `size` at a time."""
    random = np.random.default_rng((seed, _SAMPLES))
    for start in range(0, count, size):
        yield _latent_vectors(random, (min(size, count - start), latent_dim), latent)


def _latent_vectors(random: np.random.Generator, shape: tuple[int, int], latent: Latent) -> NDArray[np.float32]:
    if latent == "normal":
        return random.standard_normal(shape, np.float32)
    return 2 * random.random(shape, np.float32) - 1


def scale(examples: Examples) -> NDArray[np.float32]:
    """Return examples as the networks see them: images are scaled from 0..255 to [-1, 1], points stay as they are."""
    if examples.dtype == np.float32:
        return examples
    return examples.astype(np.float32) / np.float32(127.5) - np.float32(1)


def _take(examples: Examples, indices: NDArray[np.integer]) -> Examples:
    """Return the examples at these indices.

    If they are in a memory map, only the pages that hold them are read. By default the system also reads the pages
    around them; if the map is larger than memory, it then drops these again.
    """
    pages = getattr(examples, "_mmap", None)
    if pages is None or not hasattr(mmap, "MADV_RANDOM"):
        return examples[indices]
    pages.madvise(mmap.MADV_RANDOM)
    try:
        return np.asarray(examples[indices])
    finally:
        pages.madvise(mmap.MADV_NORMAL)


class Draws(NamedTuple):
    """The batches and noise of several steps.

    `indices` (steps, draws, batch), int32, point into `examples`; `noise` is (steps, noises, batch, latent_dim).
    """

    examples: Examples
    indices: NDArray[np.int32]
    noise: NDArray[np.floating]


class Drawn(Protocol):
    """Streams that several steps are drawn from at once."""

    def draw(self, step: int, steps: int, noises: Sequence[tuple[PhaseName, int]], /) -> Draws: ...


class Streams(NamedTuple):
    """The real examples and latent vectors of every step.

    `examples` are images, uint8 (n, height, width, channels), or points, float32 (n, dimensions), in memory or in a
    memory map. `draws` is the number of real batches in a step. Batches and noise have the type `dtype`. Noise is
    always drawn in single precision, from the distribution `latent`, and then converted. So a run in double precision
    sees the same values.
    """

    examples: Examples
    seed: int
    batch_size: int
    latent_dim: int
    latent: Latent = "normal"
    draws: int = 1
    dtype: str = "float32"

    def indices(self, step: int, draw: int = 0) -> NDArray[np.int64]:
        """Return the indices (batch,) of the examples in batch number `draw` of a step.

        The permutations of the epochs follow one another without a gap. So with n examples, the first n indices hold
        each example exactly once, and so do the next n, for every batch size.
        """
        count = len(self.examples)
        first = (step * self.draws + draw) * self.batch_size
        pieces = []
        while (wanted := self.batch_size - sum(map(len, pieces))) > 0:
            epoch, offset = divmod(first + self.batch_size - wanted, count)
            pieces.append(_permutation(self.seed, epoch, count)[offset : offset + wanted])
        return np.concatenate(pieces)

    def batch(self, step: int, draw: int = 0) -> NDArray[np.floating]:
        """Return real examples (batch, ...). Images are scaled from 0..255 to [-1, 1]."""
        return scale(_take(self.examples, self.indices(step, draw))).astype(self.dtype, copy=False)

    def noise(self, step: int, phase: PhaseName, draw: int = 0) -> NDArray[np.floating]:
        """Return latent vectors (batch, latent_dim). They differ for every step, phase and draw."""
        random = np.random.default_rng((self.seed, _NOISE, step, _PHASES[phase], draw))
        latent = _latent_vectors(random, (self.batch_size, self.latent_dim), self.latent)
        return latent.astype(self.dtype, copy=False)

    def draw(self, step: int, steps: int, noises: Sequence[tuple[PhaseName, int]]) -> Draws:
        """Return the batches and noise of `steps` steps from `step` on; `noises` lists the noise of a step.

        If the data set is resident, `examples` of the result are all examples. Else they are only the examples of these
        steps, in order, looked up here.
        """
        indices = np.empty((steps, self.draws, self.batch_size), np.int32)
        noise = np.empty((steps, len(noises), self.batch_size, self.latent_dim), self.dtype)
        for offset in range(steps):
            indices[offset] = [self.indices(step + offset, draw) for draw in range(self.draws)]
            noise[offset] = [self.noise(step + offset, phase, draw) for phase, draw in noises]
        if self.is_resident:
            return Draws(self.examples, indices, noise)
        in_order = np.arange(indices.size, dtype=np.int32).reshape(indices.shape)
        return Draws(_take(self.examples, indices.ravel()), in_order, noise)

    @property
    def is_resident(self) -> bool:
        """Whether all examples are copied to the memory of the device once.

        They are not if they are a memory map, or larger than 1 GiB.
        """
        return not isinstance(self.examples, np.memmap) and self.examples.nbytes <= _MOST_RESIDENT

    def samples(self, count: int) -> NDArray[np.float32]:
        """Return the latent vectors (count, latent_dim) of the samples in pictures: the same at every step."""
        return sample_noise(self.seed, count, self.latent_dim, self.latent)


class StackedStreams(NamedTuple):
    """The streams of several seeds as one: what is drawn has a seed axis before that of the batch."""

    streams: Sequence[Streams]

    def draw(self, step: int, steps: int, noises: Sequence[tuple[PhaseName, int]]) -> Draws:
        """Return the batches and noise of all k seeds.

        `indices` is (steps, draws, k, batch), and `noise` is (steps, noises, k, batch, latent_dim).
        """
        each = [streams.draw(step, steps, noises) for streams in self.streams]
        examples, indices = each[0].examples, [draws.indices for draws in each]
        if not self.streams[0].is_resident:
            examples = np.concatenate([draws.examples for draws in each])
            indices = [own + np.int32(number * own.size) for number, own in enumerate(indices)]
        return Draws(examples, np.stack(indices, 2), np.stack([draws.noise for draws in each], 2))


class Prefetcher:
    """A thread that prepares the next draws during training on the present ones.

    `steps` is the number of steps in a draw, and `noises` is that of `Streams.draw`.
    """

    def __init__(self, steps: int, noises: Sequence[tuple[PhaseName, int]]) -> None:
        self._steps, self._noises = steps, noises
        self._thread = ThreadPoolExecutor(1)
        self._expected: tuple[Drawn, int] | None = None

    def draw(self, streams: Drawn, step: int, then: int) -> Draws:
        """Return the draws of the steps from `step` on, and start to prepare those from step `then` on."""
        is_prepared = self._expected is not None and self._expected[0] is streams and self._expected[1] == step
        draws = self._next.result() if is_prepared else streams.draw(step, self._steps, self._noises)
        self._next = self._thread.submit(streams.draw, then, self._steps, self._noises)
        self._expected = streams, then
        return draws
