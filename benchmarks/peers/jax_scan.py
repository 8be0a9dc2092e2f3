"""JAX at its best: networks of plain jax.numpy, whole stretches of steps compiled by XLA as one `lax.scan`, the state
donated and the images resident on the device.

The networks are pytrees of arrays, as in JAX's "Pytrees" and "Training a simple neural network"; the rest is what
"Just-in-time compilation" (donation), "Ahead-of-time lowering and compilation" and "Pseudorandom numbers" advise.

Source: docs.jax.dev, jit-compilation, aot, random-numbers, _autosummary/jax.lax.scan.
"""

import platform
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import protocol
from jax import Array, lax
from jax.nn import relu, softplus
from numpy.typing import NDArray

# A call costs about a millisecond: of 1, 10, 20, 50 and 100 steps at a time 10 is the least that hides it.
CHUNK = 10
# Two steps in the loop's body, and XLA need not copy the state back where the next step looks for it: 185 steps/s of 32
# with the mlp instead of 169. Five are no better, ten worse.
UNROLL = 2

Weights = dict[str, Array]
Network = Callable[[Weights, Weights, Array], tuple[Array, Weights]]


class Player(NamedTuple):
    """What changes of a network: its weights, BatchNormalization's moving averages, and Adam's moments."""

    weights: Weights
    averages: Weights
    first: Weights
    second: Weights

    @classmethod
    def new(cls, weights: Weights, averages: Weights) -> "Player":
        return cls(weights, averages, jax.tree.map(jnp.zeros_like, weights), jax.tree.map(jnp.zeros_like, weights))

    def descend(self, gradients: Weights, step: Array) -> "Player":
        """Adam's step number `step`, from 1 on (Kingma & Ba 2015, section 2, last paragraph)."""
        first = jax.tree.map(lambda m, g: protocol.BETA1 * m + (1 - protocol.BETA1) * g, self.first, gradients)
        second = jax.tree.map(lambda v, g: protocol.BETA2 * v + (1 - protocol.BETA2) * g * g, self.second, gradients)
        rate = protocol.RATE * jnp.sqrt(1 - protocol.BETA2**step) / (1 - protocol.BETA1**step)
        weights = jax.tree.map(
            lambda w, m, v: w - rate * m / (jnp.sqrt(v) + protocol.EPSILON), self.weights, first, second
        )
        return Player(weights, self.averages, first, second)


class State(NamedTuple):
    """Both networks, and the number of steps taken."""

    generator: Player
    discriminator: Player
    steps: Array


def leaky_relu(x: Array) -> Array:
    return jnp.maximum(x, protocol.SLOPE * x)


def batch_norm(weights: Weights, averages: Weights, name: str, x: Array, momentum: float) -> tuple[Array, Weights]:
    """`x` normalised over all but its last axis, and the averages with those of `name` moved."""
    axes = tuple(range(x.ndim - 1))
    mean = x.mean(axes)
    variance = jnp.square(x - mean).mean(axes)
    scale = weights[f"{name}/scale"] * lax.rsqrt(variance + protocol.BATCH_NORM_EPSILON)
    moved = {f"{name}/mean": mean, f"{name}/variance": variance}
    moved = {key: momentum * averages[key] + (1 - momentum) * new for key, new in moved.items()}
    return (x - mean) * scale + weights[f"{name}/shift"], averages | moved


def normalised(name: str, channels: int) -> tuple[Weights, Weights]:
    """BatchNormalization's weights and averages."""
    weights = {f"{name}/scale": jnp.ones(channels), f"{name}/shift": jnp.zeros(channels)}
    return weights, {f"{name}/mean": jnp.zeros(channels), f"{name}/variance": jnp.ones(channels)}


# ------------------------------------------------------------------------------------------------ architecture=mlp


def mlp(key: Array) -> State:
    """Fresh networks, on rows of 784 pixels."""
    generator, averages = _dense_layers(key, (protocol.LATENT, 256, 512, 1024, 784)), {}
    for layer, units in enumerate((256, 512, 1024)):
        weights, means = normalised(f"norm{layer}", units)
        generator, averages = generator | weights, averages | means
    discriminator = _dense_layers(jax.random.fold_in(key, 1), (784, 512, 256, 1))
    return State(Player.new(generator, averages), Player.new(discriminator, {}), jnp.zeros(()))


def _dense_layers(key: Array, sizes: tuple[int, ...]) -> Weights:
    weights = {}
    for layer, (inputs, units) in enumerate(pairwise(sizes)):
        draw = jax.nn.initializers.glorot_uniform()
        weights[f"kernel{layer}"] = draw(jax.random.fold_in(key, 100 + layer), (inputs, units))
        weights[f"bias{layer}"] = jnp.zeros(units)
    return weights


def mlp_generate(weights: Weights, averages: Weights, latent: Array) -> tuple[Array, Weights]:
    x = latent
    for layer in range(3):
        x = leaky_relu(x @ weights[f"kernel{layer}"] + weights[f"bias{layer}"])
        x, averages = batch_norm(weights, averages, f"norm{layer}", x, 0.8)
    return jnp.tanh(x @ weights["kernel3"] + weights["bias3"]), averages


def mlp_judge(weights: Weights, averages: Weights, images: Array) -> tuple[Array, Weights]:
    x = images
    for layer in range(2):
        x = leaky_relu(x @ weights[f"kernel{layer}"] + weights[f"bias{layer}"])
    return x @ weights["kernel2"] + weights["bias2"], averages


# ------------------------------------------------------------------------------------------------ architecture=dcgan


def dcgan(key: Array) -> State:
    """Fresh networks, on images (28, 28, 1)."""

    def kernel(number: int, *shape: int) -> Array:
        return protocol.DEVIATION * jax.random.normal(jax.random.fold_in(key, number), shape)

    outer, outer_averages = normalised("outer", 128)
    inner, inner_averages = normalised("inner", 64)
    generator = outer | inner
    generator |= {"dense": kernel(0, protocol.LATENT, 7 * 7 * 128), "up1": kernel(1, 4, 4, 128, 64)}
    generator |= {"up2": kernel(2, 4, 4, 64, 1), "bias": jnp.zeros(1)}
    discriminator, averages = normalised("norm", 128)
    discriminator |= {"down1": kernel(3, 4, 4, 1, 64), "bias1": jnp.zeros(64)}
    discriminator |= {"down2": kernel(4, 4, 4, 64, 128), "bias2": jnp.zeros(128)}
    discriminator |= {"dense": kernel(5, 7 * 7 * 128, 1), "bias": jnp.zeros(1)}
    return State(
        Player.new(generator, outer_averages | inner_averages), Player.new(discriminator, averages), jnp.zeros(())
    )


def dcgan_generate(weights: Weights, averages: Weights, latent: Array) -> tuple[Array, Weights]:
    x = (latent @ weights["dense"]).reshape(-1, 7, 7, 128)
    x, averages = batch_norm(weights, averages, "outer", x, 0.9)
    x, averages = batch_norm(weights, averages, "inner", double(relu(x), weights["up1"]), 0.9)
    return jnp.tanh(double(relu(x), weights["up2"]) + weights["bias"]), averages


def dcgan_judge(weights: Weights, averages: Weights, images: Array) -> tuple[Array, Weights]:
    x = leaky_relu(halve(images, weights["down1"]) + weights["bias1"])
    x, averages = batch_norm(weights, averages, "norm", halve(x, weights["down2"]) + weights["bias2"], 0.9)
    return leaky_relu(x).reshape(len(x), -1) @ weights["dense"] + weights["bias"], averages


def halve(x: Array, kernel: Array) -> Array:
    """Convolution of images (batch, height, width, channels) with a kernel (4, 4, channels, filters) in strides of 2.

    XLA differentiates convolutions on a CPU by a loop of no speed: with `lax.conv_general_dilated` the dcgan takes 1.0
    steps/s of 64, with the matrix products that it is equal to 11.
    """
    if jax.default_backend() != "cpu":
        return lax.conv_general_dilated(x, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    batch, height, width, _ = x.shape
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    patches = jnp.concatenate([x[:, i : i + height : 2, j : j + width : 2] for i in range(4) for j in range(4)], -1)
    return (patches @ kernel.reshape(-1, kernel.shape[-1])).reshape(batch, height // 2, width // 2, -1)


def double(x: Array, kernel: Array) -> Array:
    """Transposed convolution of images (batch, height, width, channels) with a kernel (4, 4, channels, filters) in
    strides of 2: each pixel becomes 4x4, which overlap by 2 and are added."""
    if jax.default_backend() != "cpu":
        flipped = kernel[::-1, ::-1]  # lax.conv_transpose is Keras' with the kernel upside down
        return lax.conv_transpose(x, flipped, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    rows = _overlapped(jnp.einsum("bhwc,ijcf->bhwijf", x, kernel))
    return _overlapped(rows.swapaxes(1, 2)).swapaxes(1, 2)


def _overlapped(x: Array) -> Array:
    """(batch, n, m, 4, ...) to (batch, 2 n, m, ...): the fours laid down at every second place and added, without the
    first and the last of all."""
    ends = ((0, 0), (1, 1)) + ((0, 0),) * (x.ndim - 3)
    before, after = jnp.pad(x[:, :, :, 3], ends)[:, :-2], jnp.pad(x[:, :, :, 0], ends)[:, 2:]
    pairs = jnp.stack([x[:, :, :, 1] + before, x[:, :, :, 2] + after], 2)
    return pairs.reshape(len(x), -1, *x.shape[2:3], *x.shape[4:])


# ------------------------------------------------------------------------------------------------ the step


def trainer(chosen: protocol.Options, generate: Network, judge: Network) -> Callable[..., tuple[State, Array]]:
    """The function of state, key, all images as bytes, and indices (steps, batch), that takes these steps; it returns
    the state and the sums of the losses, discriminator's and generator's."""

    def step(state: State, key: Array, images: Array, indices: Array) -> tuple[State, Array]:
        generator, discriminator, now = state.generator, state.discriminator, state.steps + 1
        noise = jax.random.normal(jax.random.fold_in(key, now.astype(int)), (2, chosen.batch, protocol.LATENT))
        real = images[indices].astype(jnp.float32) / 127.5 - 1

        def generated(player: Player, latent: Array) -> tuple[Array, Callable[[Array], tuple[Weights]], Player]:
            call = lambda weights: generate(weights, player.averages, latent)  # noqa: E731
            fakes, pull, averages = jax.vjp(call, player.weights, has_aux=True)
            return fakes, pull, player._replace(averages=averages)

        def learn(weights: Weights) -> tuple[Array, Weights]:
            # Judging real and fake in one pass is no faster here, though nothing of the mlp would hinder it.
            real_logits, averages = judge(weights, discriminator.averages, real)
            fake_logits, averages = judge(weights, averages, fakes)
            return softplus(-real_logits).mean() + softplus(fake_logits).mean(), averages

        def fool(fakes: Array) -> tuple[Array, Weights]:
            logits, averages = judge(discriminator.weights, discriminator.averages, fakes)
            return softplus(-logits).mean(), averages

        fakes, pull, generator = generated(generator, noise[0])
        (discriminator_loss, averages), gradients = jax.value_and_grad(learn, has_aux=True)(discriminator.weights)
        discriminator = discriminator._replace(averages=averages).descend(gradients, now)
        if chosen.noise == "fresh":
            fakes, pull, generator = generated(generator, noise[1])
        (generator_loss, averages), slope = jax.value_and_grad(fool, has_aux=True)(fakes)
        discriminator = discriminator._replace(averages=averages)
        (gradients,) = pull(slope)
        generator = generator.descend(gradients, now)
        return State(generator, discriminator, now), jnp.stack([discriminator_loss, generator_loss])

    def train(state: State, key: Array, images: Array, indices: Array) -> tuple[State, Array]:
        state, losses = lax.scan(
            lambda state, each: step(state, key, images, each), state, indices, unroll=min(UNROLL, len(indices))
        )
        return state, losses.sum(0)

    return train


def batches(examples: int, size: int) -> Iterator[NDArray[np.int32]]:
    """Indices without end, each epoch in an order of its own; a permutation in XLA is a sort, and far slower."""
    random = np.random.default_rng()
    while True:
        order = random.permutation(examples).astype(np.int32)
        for end in range(size, examples + 1, size):
            yield order[end - size : end]


def main() -> None:
    """Serve."""
    chosen = protocol.options()
    networks = {"mlp": (mlp, mlp_generate, mlp_judge), "dcgan": (dcgan, dcgan_generate, dcgan_judge)}
    new, generate, judge = networks[chosen.architecture]
    key = jax.random.key(int(np.random.default_rng().integers(2**31)))
    state, order = new(key), batches(len(chosen.images), chosen.batch)
    images = jax.device_put(chosen.images.reshape(-1, 784) if chosen.architecture == "mlp" else chosen.images)
    jitted = jax.jit(trainer(chosen, generate, judge), donate_argnums=0)
    compiled = {
        length: jitted.lower(state, key, images, np.zeros((length, chosen.batch), np.int32)).compile()
        for length in (CHUNK, 1)
    }

    def train(steps: int) -> tuple[float, float]:
        nonlocal state
        sums = []
        for length in [CHUNK] * (steps // CHUNK) + [1] * (steps % CHUNK):
            indices = np.stack([next(order) for _ in range(length)])
            state, losses = compiled[length](state, key, images, indices)
            sums.append(losses)
        jax.block_until_ready(state)
        discriminator_loss, generator_loss = np.sum(jax.device_get(sums), 0) / steps
        return float(discriminator_loss), float(generator_loss)

    def parameters(player: Player) -> int:
        return sum(weight.size for weight in jax.tree.leaves(player.weights))

    versions: dict[str, Any] = {"python": platform.python_version(), "jax": jax.__version__}
    counts = parameters(state.generator), parameters(state.discriminator)
    protocol.serve("jax", versions, jax.default_backend(), counts, train)


if __name__ == "__main__":
    main()
