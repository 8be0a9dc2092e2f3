"""What every peer of the speed benchmark computes, and how it is asked:

    python PEER.py --architecture mlp|dcgan --batch N --noise fresh|reused --images IMAGES.npy

**The conversation.** A peer is a process of its own. Built, it prints one line of JSON: `ready`, its `name`, the
`versions` it runs on, its `device`, the trainable `parameters` of each network, and `seconds_to_ready` since the
process began. Then it trains N steps for each line that holds an integer N, and prints `steps`, `seconds`, and the
means over those steps of `discriminator_loss` and `generator_loss`. The end of its input ends it. No step is taken
before it is asked for, so what a framework traces or compiles at first use is in the first answer: throw that one away.

**The algorithm.** One step: images G(z) in training mode; one Adam update of D on the mean over real images of
-log s(D(x)) plus the mean over fakes of -log(1 - s(D(G(z)))); one Adam update of G on the mean of -log s(D(G(z'))).
Both networks are in training mode throughout, and D normalises real and fake images apart. With `--noise fresh` z' is
drawn anew, as in Goodfellow et al. 2014, algorithm 1; with `--noise reused` the fakes that D has just seen are judged
again, one pass of G less, as in PyTorch's DCGAN tutorial. Each step's images are the next of a random permutation of
all. `question.py` alone differs.
"""

import json
import os
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import CLOCK_BOOTTIME, clock_gettime, perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

LATENT = 100
RATE, BETA1, BETA2, EPSILON = 2e-4, 0.5, 0.999, 1e-7  # EPSILON stands where each framework's Adam puts it
BATCH_NORM_EPSILON = 1e-3
SLOPE = 0.2  # of LeakyReLU
DEVIATION = 0.02  # of the dcgan's initial kernels

Train = Callable[[int], tuple[float, float]]


class Options(NamedTuple):
    """What was asked for; `images` are uint8 (n, 28, 28, 1)."""

    architecture: str
    batch: int
    noise: str
    precision: str
    mode: str
    images: NDArray[np.uint8]


def options(modes: Sequence[str] = ("default",), precisions: Sequence[str] = ("float32",)) -> Options:
    """Read the command line of a peer that offers these; the first of each is what it does unasked."""
    parser = ArgumentParser()
    parser.add_argument("--architecture", choices=("mlp", "dcgan"), required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--noise", choices=("fresh", "reused"), required=True)
    parser.add_argument("--precision", choices=precisions, default=precisions[0])
    parser.add_argument("--mode", choices=modes, default=modes[0])
    parser.add_argument("--images", type=Path, required=True)
    given = parser.parse_args()
    images = np.load(given.images)
    if images.dtype != np.uint8 or images.shape[1:] != (28, 28, 1):
        parser.error(f"--images: {given.images} holds {images.dtype} {images.shape}; it must be uint8 (n, 28, 28, 1)")
    if not 1 <= given.batch <= len(images):
        parser.error(f"--batch: {given.batch} is not between 1 and the {len(images)} images")
    return Options(given.architecture, given.batch, given.noise, given.precision, given.mode, images)


def serve(name: str, versions: Mapping[str, str], device: str, parameters: tuple[int, int], train: Train) -> None:
    """Say that everything is built, of a generator and a discriminator with so many parameters; then train and answer
    until the input ends.

    `train(steps)` returns the mean losses of the discriminator and of the generator as numbers, once every weight is
    updated: the clock is read around it.
    """
    _say(
        ready=True,
        name=name,
        versions=versions,
        device=device,
        parameters=dict(zip(("generator", "discriminator"), parameters, strict=True)),
        seconds_to_ready=_seconds_since_start(),
    )
    for line in sys.stdin:
        steps = int(line)
        began = perf_counter()
        discriminator_loss, generator_loss = train(steps)
        seconds = perf_counter() - began
        _say(steps=steps, seconds=seconds, discriminator_loss=discriminator_loss, generator_loss=generator_loss)


def _say(**fields: Any) -> None:
    print(json.dumps(fields), flush=True)


def _seconds_since_start() -> float:
    """Since the kernel started this process, the interpreter's and every import's time included; Linux only."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return clock_gettime(CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
