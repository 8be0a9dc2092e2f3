"""Batches and noise as pure functions of the seed: every strategy sees the same, and nothing needs to be saved.

Everything is drawn by NumPy from a generator seeded with (seed, kind, step, ...), because TensorFlow's stateless
normal numbers differ between XLA and plain kernels, and its stateless shuffle cannot be compiled by XLA.
"""

import mmap
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ganfreeze.data.dataset.base import Examples
from ganfreeze.types import PhaseName

_RESIDENT = 2**30  # bytes
_EPOCH, _NOISE, _SAMPLES, _WEIGHTS = range(4)
_PHASES: dict[PhaseName, int] = {"discriminator": 0, "generator": 1}


def weight_generator(seed: int) -> np.random.Generator:
    """The generator that initial weights are drawn from."""
    return np.random.default_rng((seed, _WEIGHTS))


@lru_cache(maxsize=2)  # a batch touches two epochs at the most where it is smaller than the data
def _permutation(seed: int, epoch: int, examples: int) -> NDArray[np.int64]:
    return np.random.default_rng((seed, _EPOCH, epoch)).permutation(examples)


def sample_noise(seed: int, count: int, latent_dim: int) -> NDArray[np.float32]:
    """Latent vectors (count, latent_dim) from N(0, I) to sample with; a larger count extends a smaller one."""
    return next(sample_batches(seed, count, latent_dim, count))


def sample_batches(seed: int, count: int, latent_dim: int, size: int) -> Iterator[NDArray[np.float32]]:
    """The latent vectors of `sample_noise`, at most `size` at a time."""
    random = np.random.default_rng((seed, _SAMPLES))
    for start in range(0, count, size):
        yield random.standard_normal((min(size, count - start), latent_dim), np.float32)


def scale(images: Examples) -> NDArray[np.float32]:
    """Examples as the networks see them: of images 0..255 becomes [-1, 1], points stay."""
    return images if images.dtype == np.float32 else images.astype(np.float32) / np.float32(127.5) - np.float32(1)


def _take(examples: Examples, indices: NDArray[np.integer]) -> Examples:
    """Those of the examples. Of a memory map no more is read than the pages that they lie on: the system would read
    what is around each of them too, and where the map is larger than memory, throw it away again."""
    pages = getattr(examples, "_mmap", None)
    if pages is None or not hasattr(mmap, "MADV_RANDOM"):
        return examples[indices]
    pages.madvise(mmap.MADV_RANDOM)
    try:
        return np.asarray(examples[indices])
    finally:
        pages.madvise(mmap.MADV_NORMAL)


class Draws(NamedTuple):
    """What several steps are to be trained on: the examples' indices (steps, draws, batch), int32, into `examples`, and
    noise (steps, noises, batch, latent_dim)."""

    examples: Examples
    indices: NDArray[np.int32]
    noise: NDArray[np.floating]


class Streams(NamedTuple):
    """The real examples and latent vectors of every step.

    `images` are uint8 (n, height, width, channels), or points, float32 (n, dimensions), in memory or a memory map;
    `draws` is the number of real batches in a step. Noise is drawn in single precision whatever `dtype`, which
    everything is handed out in, so that a run in double precision sees the same.
    """

    images: Examples
    seed: int
    batch_size: int
    latent_dim: int
    draws: int = 1
    dtype: str = "float32"

    def indices(self, step: int, draw: int = 0) -> NDArray[np.int64]:
        """The examples, (batch,), of a step's batch number `draw`.

        The epochs' permutations follow one another without a gap, so any n indices from a multiple of n on are each
        example exactly once, whatever the batch size.
        """
        examples = len(self.images)
        first = (step * self.draws + draw) * self.batch_size
        pieces = []
        while (wanted := self.batch_size - sum(map(len, pieces))) > 0:
            epoch, offset = divmod(first + self.batch_size - wanted, examples)
            pieces.append(_permutation(self.seed, epoch, examples)[offset : offset + wanted])
        return np.concatenate(pieces)

    def batch(self, step: int, draw: int = 0) -> NDArray[np.floating]:
        """Real examples (batch, ...); images are scaled from 0..255 to [-1, 1]."""
        return scale(_take(self.images, self.indices(step, draw))).astype(self.dtype, copy=False)

    def noise(self, step: int, phase: PhaseName, draw: int = 0) -> NDArray[np.floating]:
        """Latent vectors (batch, latent_dim) from N(0, I), drawn anew for each phase and draw of each step."""
        random = np.random.default_rng((self.seed, _NOISE, step, _PHASES[phase], draw))
        latent = random.standard_normal((self.batch_size, self.latent_dim), np.float32)
        return latent.astype(self.dtype, copy=False)

    def draw(self, step: int, steps: int, noises: Sequence[tuple[PhaseName, int]]) -> Draws:
        """The batches of the steps from `step` on, and for each these noises, by phase and draw.

        Data that should not lie in a device's memory, memory maps and what is larger than 1 GiB, are looked up here:
        then `examples` are those of these steps only, in order, and else all there are.
        """
        indices = np.empty((steps, self.draws, self.batch_size), np.int32)
        noise = np.empty((steps, len(noises), self.batch_size, self.latent_dim), self.dtype)
        for now in range(steps):
            indices[now] = [self.indices(step + now, draw) for draw in range(self.draws)]
            noise[now] = [self.noise(step + now, *each) for each in noises]
        if self.is_resident:
            return Draws(self.images, indices, noise)
        in_order = np.arange(indices.size, dtype=np.int32).reshape(indices.shape)
        return Draws(_take(self.images, indices.ravel()), in_order, noise)

    @property
    def is_resident(self) -> bool:
        """Whether all examples go to the device once."""
        return not isinstance(self.images, np.memmap) and self.images.nbytes <= _RESIDENT

    def samples(self, count: int) -> NDArray[np.float32]:
        """Latent vectors (count, latent_dim) to draw pictures with, the same at every step."""
        return sample_noise(self.seed, count, self.latent_dim)


class Prefetcher:
    """`Streams.draw` of so many steps at a time, which makes the next draws while the last are trained on."""

    def __init__(self, steps: int, noises: Sequence[tuple[PhaseName, int]]) -> None:
        self._steps, self._noises = steps, noises
        self._thread = ThreadPoolExecutor(1)
        self._expected: tuple[Streams, int] | None = None

    def draw(self, streams: Streams, step: int, then: int) -> Draws:
        """The draws of the steps from `step` on; those that are asked for next are expected to begin at `then`."""
        expected = self._expected is not None and self._expected[0] is streams and self._expected[1] == step
        draws = self._coming.result() if expected else streams.draw(step, self._steps, self._noises)
        self._coming = self._thread.submit(streams.draw, then, self._steps, self._noises)
        self._expected = streams, then
        return draws
