"""PyTorch in its fastest documented form.

`--mode eager` runs PyTorch as it is, and `--mode compile` uses torch.compile. `--precision bfloat16` uses autocast.

The step is that of the "DCGAN Tutorial". Everything else follows the advice of the "Performance Tuning Guide" and
"(beta) Channels Last Memory Format in PyTorch": a fused optimizer, gradients set to None, channels_last, and the data
on the device.

Source: docs.pytorch.org/tutorials, beginner/dcgan_faces_tutorial, recipes/recipes/tuning_guide,
intermediate/memory_format_tutorial, intermediate/torch_compile_tutorial.
"""

import os
import platform
import shutil
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import protocol
import torch
from torch import Tensor, nn
from torch.nn import functional


class ToMaps(nn.Module):
    """Turn rows (batch, 6272) into maps (batch, 128, 7, 7), channels last in memory as in Keras, without a copy."""

    def forward(self, rows: Tensor) -> Tensor:
        return rows.view(-1, 7, 7, 128).permute(0, 3, 1, 2)


class ToRows(nn.Module):
    """Turn maps (batch, 128, 7, 7) into rows (batch, 6272): the inverse of `ToMaps`."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.permute(0, 2, 3, 1).flatten(1)


def mlp() -> tuple[nn.Module, nn.Module]:
    """Return the generator and the discriminator of architecture=mlp, on rows of 784 pixels."""
    layers: list[nn.Module] = []
    for inputs, units in pairwise((protocol.LATENT, 256, 512, 1024)):
        norm = nn.BatchNorm1d(units, protocol.BATCH_NORM_EPSILON, momentum=0.2)
        layers += [nn.Linear(inputs, units), nn.LeakyReLU(protocol.SLOPE), norm]
    generator = nn.Sequential(*layers, nn.Linear(1024, 784), nn.Tanh())
    layers = []
    for inputs, units in pairwise((784, 512, 256)):
        layers += [nn.Linear(inputs, units), nn.LeakyReLU(protocol.SLOPE)]
    discriminator = nn.Sequential(*layers, nn.Linear(256, 1))
    for network in (generator, discriminator):
        _initialise(network, nn.init.xavier_uniform_)
    return generator, discriminator


def dcgan() -> tuple[nn.Module, nn.Module]:
    """Return the generator and the discriminator of architecture=dcgan, on images (1, 28, 28)."""
    generator = nn.Sequential(
        nn.Linear(protocol.LATENT, 7 * 7 * 128, bias=False),
        ToMaps(),
        nn.BatchNorm2d(128, protocol.BATCH_NORM_EPSILON, momentum=0.1),
        nn.ReLU(),
        nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False),
        nn.BatchNorm2d(64, protocol.BATCH_NORM_EPSILON, momentum=0.1),
        nn.ReLU(),
        nn.ConvTranspose2d(64, 1, 4, 2, 1),
        nn.Tanh(),
    )
    discriminator = nn.Sequential(
        nn.Conv2d(1, 64, 4, 2, 1),
        nn.LeakyReLU(protocol.SLOPE),
        nn.Conv2d(64, 128, 4, 2, 1),
        nn.BatchNorm2d(128, protocol.BATCH_NORM_EPSILON, momentum=0.1),
        nn.LeakyReLU(protocol.SLOPE),
        ToRows(),
        nn.Linear(7 * 7 * 128, 1),
    )
    for network in (generator, discriminator):
        _initialise(network, lambda kernel: nn.init.normal_(kernel, 0, protocol.DEVIATION))
        # Channels last is faster. With batches of 64: 15.4 steps/s instead of 13.4, in bfloat16 23.5 instead of 21.2.
        network.to(memory_format=torch.channels_last)
    return generator, discriminator


def _initialise(network: nn.Module, draw: Callable[[Tensor], Tensor]) -> None:
    """Draw the kernels by `draw`, and set the biases to 0. The initial weights of BatchNorm are right as they are."""
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            draw(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def batches(images: Tensor, size: int) -> Iterator[Tensor]:
    """Yield batches of real images without end. Each epoch has its own random order."""
    while True:
        for indices in torch.randperm(len(images), device=images.device).split(size):
            if len(indices) == size:
                yield images[indices]


class Gan:
    """Both networks, their optimizers, and the real images in [-1, 1] on the device."""

    def __init__(self, options: protocol.Options, device: torch.device) -> None:
        networks = {"mlp": mlp, "dcgan": dcgan}[options.architecture]()
        self.generator, self.discriminator = (network.to(device) for network in networks)
        # The fused Adam is the fastest. For the mlp and batches of 32 on this CPU: fused 115 steps/s, foreach 80, and a
        # loop 76.
        self._generator_adam, self._discriminator_adam = (
            torch.optim.Adam(
                network.parameters(), protocol.RATE, (protocol.BETA1, protocol.BETA2), protocol.EPSILON, fused=True
            )
            for network in (self.generator, self.discriminator)
        )
        # All images are scaled once. That is 3 % faster than scaling each batch of bytes, and costs 188 MB.
        images = torch.from_numpy(options.images.astype(np.float32) / 127.5 - 1).to(device)
        shape = {"mlp": (784,), "dcgan": (1, 28, 28)}[options.architecture]
        self._batches = batches(images.view(-1, *shape), options.batch)
        self._separately = options.architecture == "dcgan"
        self._reused = options.noise == "reused"
        self._noise_shape = (options.batch, protocol.LATENT)
        self._device, self._is_half = device, options.precision == "bfloat16"
        if options.mode == "compile":
            # mode="max-autotune" gains nothing here: for the mlp 110 steps/s instead of 105 with batches of 32, and no
            # more than eager with 128. The optimizer is not compiled, because the fused one is faster.
            self._generate = torch.compile(self._generate)
            self._discriminator_loss = torch.compile(self._discriminator_loss)
            self._generator_loss = torch.compile(self._generator_loss)

    def train(self, steps: int) -> tuple[float, float]:
        """Take `steps` steps, and return the mean losses of the discriminator and of the generator."""
        total = torch.zeros(2, device=self._device)
        for _ in range(steps):
            total += torch.stack(self._step())
        discriminator_loss, generator_loss = (total / steps).tolist()  # waits for all work on the device
        return discriminator_loss, generator_loss

    def _step(self) -> tuple[Tensor, Tensor]:
        with torch.set_grad_enabled(self._reused):
            fakes = self._generate(self._noise())
        discriminator_loss = self._discriminator_loss(next(self._batches), fakes.detach())
        _descend(self._discriminator_adam, discriminator_loss)
        if not self._reused:
            fakes = self._generate(self._noise())
        # The generator's update needs no gradients of the discriminator's weights. Without this line torch.compile
        # would compute them.
        self.discriminator.requires_grad_(False)
        generator_loss = self._generator_loss(fakes)
        _descend(self._generator_adam, generator_loss)
        self.discriminator.requires_grad_(True)
        return discriminator_loss.detach(), generator_loss.detach()

    def _noise(self) -> Tensor:
        return torch.randn(self._noise_shape, device=self._device)

    def _generate(self, latent: Tensor) -> Tensor:
        with self._autocast():
            return self.generator(latent)

    def _discriminator_loss(self, real: Tensor, fakes: Tensor) -> Tensor:
        with self._autocast():
            if self._separately:
                real_logits, fake_logits = self.discriminator(real), self.discriminator(fakes)
            else:  # without BatchNorm one pass over both gives the same logits, at 115 steps/s instead of 97
                real_logits, fake_logits = self.discriminator(torch.cat([real, fakes])).chunk(2)
            return _cross_entropy(real_logits, 1) + _cross_entropy(fake_logits, 0)

    def _generator_loss(self, fakes: Tensor) -> Tensor:
        with self._autocast():
            return _cross_entropy(self.discriminator(fakes), 1)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self._is_half)


def _cross_entropy(logits: Tensor, label: float) -> Tensor:
    return functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))


def _descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


def main() -> None:
    """Build the networks on the device, and serve."""
    options = protocol.options(modes=("eager", "compile"), precisions=("float32", "bfloat16"))
    compiler = os.environ.get("CXX", "g++")
    if options.mode == "compile" and shutil.which(compiler) is None:
        raise SystemExit(f"torch.compile needs a C++ compiler, and there is no {compiler}. Install g++, or set CXX.")
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    # TensorFlow and JAX do the same by default, on a GPU that supports it.
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    gan = Gan(options, device)
    generator, discriminator = (
        sum(weight.numel() for weight in network.parameters()) for network in (gan.generator, gan.discriminator)
    )
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    protocol.serve(f"pytorch {options.mode}", versions, device.type, (generator, discriminator), gan.train)


if __name__ == "__main__":
    main()
