"""The protocol of the speed benchmark: the algorithm of every peer, and the messages that it reads and prints.

    python PEER.py --architecture mlp|dcgan --batch N --noise fresh|reused --images IMAGES.npy

**The messages.** A peer is a process of its own. When it is built, it prints one line of JSON: `ready`, its `name`, the
`versions` it runs on, its `device`, the trainable `parameters` of each network, and `seconds_to_ready` since the
process began. Then it reads lines. Each line holds an integer N: the peer trains N steps, and prints `steps`,
`seconds`, and the means of `discriminator_loss` and `generator_loss` over those steps. At the end of the input the peer
ends. It takes no step before the first line, so the first answer includes the time to trace and compile: ignore that
answer.

**The algorithm.** G is the generator, D the discriminator, s the sigmoid. One step:

1. G makes the fakes G(z) in training mode.
2. Adam updates D once, on the mean of -log s(D(x)) over real images x plus the mean of -log(1 - s(D(G(z)))) over fakes.
3. Adam updates G once, on the mean of -log s(D(G(z'))).

Both networks are always in training mode, and D normalises real and fake images separately. With `--noise fresh` the
step draws z' anew, as in Goodfellow et al. 2014, algorithm 1. With `--noise reused` z' is z: D judges the same fakes
again, so the step has one pass of G less, as in PyTorch's DCGAN tutorial. The real images of a step are the next ones
in a random permutation of all images. Only `question.py` has another algorithm.
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
RATE, BETA1, BETA2, EPSILON = 2e-4, 0.5, 0.999, 1e-7  # EPSILON has the place that each framework's Adam gives it
BATCH_NORM_EPSILON = 1e-3
SLOPE = 0.2  # of LeakyReLU
DEVIATION = 0.02  # of the dcgan's initial kernels

Train = Callable[[int], tuple[float, float]]


class Options(NamedTuple):
    """The options of a peer's command line; `images` are uint8 (n, 28, 28, 1)."""

    architecture: str
    batch: int
    noise: str
    precision: str
    mode: str
    images: NDArray[np.uint8]


def options(modes: Sequence[str] = ("default",), precisions: Sequence[str] = ("float32",)) -> Options:
    """Return the options on the command line of a peer with these modes and precisions; the first is the default."""
    parser = ArgumentParser()
    parser.add_argument("--architecture", choices=("mlp", "dcgan"), required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--noise", choices=("fresh", "reused"), required=True)
    parser.add_argument("--precision", choices=precisions, default=precisions[0])
    parser.add_argument("--mode", choices=modes, default=modes[0])
    parser.add_argument("--images", type=Path, required=True)
    arguments = parser.parse_args()
    images = np.load(arguments.images)
    if images.dtype != np.uint8 or images.shape[1:] != (28, 28, 1):
        parser.error(
            f"--images: {arguments.images} holds {images.dtype} {images.shape}; it must be uint8 (n, 28, 28, 1)"
        )
    if not 1 <= arguments.batch <= len(images):
        parser.error(f"--batch: {arguments.batch} is not between 1 and the {len(images)} images")
    return Options(
        arguments.architecture, arguments.batch, arguments.noise, arguments.precision, arguments.mode, images
    )


def serve(name: str, versions: Mapping[str, str], device: str, parameters: tuple[int, int], train: Train) -> None:
    """Print that the peer is ready; then read numbers of steps, train and answer until the input ends.

    `parameters` are those of the generator and of the discriminator. `train(steps)` returns the mean losses of the
    discriminator and of the generator as numbers. It must return only after every weight is updated, because the time
    of this call is measured.
    """
    _print(
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
        _print(steps=steps, seconds=seconds, discriminator_loss=discriminator_loss, generator_loss=generator_loss)


def _print(**fields: Any) -> None:
    print(json.dumps(fields), flush=True)


def _seconds_since_start() -> float:
    """Return the seconds since Linux started this process, including the time of the interpreter and of all imports."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return clock_gettime(CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
