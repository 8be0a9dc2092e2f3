"""JAX in its fastest documented form.

The networks are plain jax.numpy. XLA compiles several steps as one `lax.scan`, the state is donated, and the images
stay on the device.

The weights of a network are a pytree of arrays, as in JAX's "Pytrees" and "Training a simple neural network".
Everything else follows the advice of "Just-in-time compilation" (donation), "Ahead-of-time lowering and compilation"
and "Pseudorandom numbers".

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

# The steps in one call. A call costs about a millisecond. Of 1, 10, 20, 50 and 100 steps, 10 is the smallest number
# that hides this cost.
CHUNK = 10
# The steps in the body of the loop. With two, XLA need not copy the state back to where the next step reads it: for the
# mlp and batches of 32, 185 steps/s instead of 169. Five steps are no better, and ten are worse.
UNROLL = 2

Weights = dict[str, Array]
Network = Callable[[Weights, Weights, Array], tuple[Array, Weights]]


class Player(NamedTuple):
    """The state of a network: its weights, the moving averages of BatchNormalization, and the moments of Adam."""

    weights: Weights
    averages: Weights
    first: Weights
    second: Weights

    @classmethod
    def new(cls, weights: Weights, averages: Weights) -> "Player":
        """Return the initial state, with moments of zero."""
        return cls(weights, averages, jax.tree.map(jnp.zeros_like, weights), jax.tree.map(jnp.zeros_like, weights))

    def descend(self, gradients: Weights, step: Array) -> "Player":
        """Return the state after Adam's step number `step`, which counts from 1.

        Source: Kingma & Ba 2015, section 2, last paragraph.
        """
        first = jax.tree.map(lambda m, g: protocol.BETA1 * m + (1 - protocol.BETA1) * g, self.first, gradients)
        second = jax.tree.map(lambda v, g: protocol.BETA2 * v + (1 - protocol.BETA2) * g * g, self.second, gradients)
        rate = protocol.RATE * jnp.sqrt(1 - protocol.BETA2**step) / (1 - protocol.BETA1**step)
        weights = jax.tree.map(
            lambda w, m, v: w - rate * m / (jnp.sqrt(v) + protocol.EPSILON), self.weights, first, second
        )
        return Player(weights, self.averages, first, second)


class State(NamedTuple):
    """Both networks, and the number of steps that they have taken."""

    generator: Player
    discriminator: Player
    steps: Array


def leaky_relu(x: Array) -> Array:
    return jnp.maximum(x, protocol.SLOPE * x)


def batch_norm(weights: Weights, averages: Weights, name: str, x: Array, momentum: float) -> tuple[Array, Weights]:
    """Normalise `x` over all axes but the last; return it, and the averages after those of `name` moved."""
    axes = tuple(range(x.ndim - 1))
    mean = x.mean(axes)
    variance = jnp.square(x - mean).mean(axes)
    scale = weights[f"{name}/scale"] * lax.rsqrt(variance + protocol.BATCH_NORM_EPSILON)
    moved = {f"{name}/mean": mean, f"{name}/variance": variance}
    moved = {key: momentum * averages[key] + (1 - momentum) * new for key, new in moved.items()}
    return (x - mean) * scale + weights[f"{name}/shift"], averages | moved


def initial_batch_norm(name: str, channels: int) -> tuple[Weights, Weights]:
    """Return the initial weights and averages of a BatchNormalization."""
    weights = {f"{name}/scale": jnp.ones(channels), f"{name}/shift": jnp.zeros(channels)}
    return weights, {f"{name}/mean": jnp.zeros(channels), f"{name}/variance": jnp.ones(channels)}


# ------------------------------------------------------------------------------------------------ architecture=mlp


def mlp(key: Array) -> State:
    """Return the initial networks of architecture=mlp, on rows of 784 pixels."""
    generator, averages = _dense_layers(key, (protocol.LATENT, 256, 512, 1024, 784)), {}
    for layer, units in enumerate((256, 512, 1024)):
        weights, means = initial_batch_norm(f"norm{layer}", units)
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


def mlp_discriminate(weights: Weights, averages: Weights, images: Array) -> tuple[Array, Weights]:
    x = images
    for layer in range(2):
        x = leaky_relu(x @ weights[f"kernel{layer}"] + weights[f"bias{layer}"])
    return x @ weights["kernel2"] + weights["bias2"], averages


# ------------------------------------------------------------------------------------------------ architecture=dcgan


def dcgan(key: Array) -> State:
    """Return the initial networks of architecture=dcgan, on images (28, 28, 1)."""

    def kernel(number: int, *shape: int) -> Array:
        return protocol.DEVIATION * jax.random.normal(jax.random.fold_in(key, number), shape)

    outer, outer_averages = initial_batch_norm("outer", 128)
    inner, inner_averages = initial_batch_norm("inner", 64)
    generator = outer | inner
    generator |= {"dense": kernel(0, protocol.LATENT, 7 * 7 * 128), "up1": kernel(1, 4, 4, 128, 64)}
    generator |= {"up2": kernel(2, 4, 4, 64, 1), "bias": jnp.zeros(1)}
    discriminator, averages = initial_batch_norm("norm", 128)
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


def dcgan_discriminate(weights: Weights, averages: Weights, images: Array) -> tuple[Array, Weights]:
    x = leaky_relu(halve(images, weights["down1"]) + weights["bias1"])
    x, averages = batch_norm(weights, averages, "norm", halve(x, weights["down2"]) + weights["bias2"], 0.9)
    return leaky_relu(x).reshape(len(x), -1) @ weights["dense"] + weights["bias"], averages


def halve(x: Array, kernel: Array) -> Array:
    """Convolve images (batch, height, width, channels) with a kernel (4, 4, channels, filters) in strides of 2.

    On a CPU this uses matrix products, which give the same result. There XLA computes the gradient of a convolution by
    a very slow loop: with batches of 64 the dcgan takes 1.0 steps/s with `lax.conv_general_dilated`, and 11 with
    products.
    """
    if jax.default_backend() != "cpu":
        return lax.conv_general_dilated(x, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    batch, height, width, _ = x.shape
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    patches = jnp.concatenate([x[:, i : i + height : 2, j : j + width : 2] for i in range(4) for j in range(4)], -1)
    return (patches @ kernel.reshape(-1, kernel.shape[-1])).reshape(batch, height // 2, width // 2, -1)


def double(x: Array, kernel: Array) -> Array:
    """Convolve images (batch, height, width, channels), transposed, with a kernel (4, 4, channels, filters).

    The stride is 2. Each pixel becomes 4x4 pixels, which overlap those of its neighbours by 2 and are added.
    """
    if jax.default_backend() != "cpu":
        flipped = kernel[::-1, ::-1]  # lax.conv_transpose is Keras' with the kernel upside down
        return lax.conv_transpose(x, flipped, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    rows = _overlapped(jnp.einsum("bhwc,ijcf->bhwijf", x, kernel))
    return _overlapped(rows.swapaxes(1, 2)).swapaxes(1, 2)


def _overlapped(x: Array) -> Array:
    """Turn (batch, n, m, 4, ...) into (batch, 2 n, m, ...).

    The four values of each of the n places lie on four rows that begin at every second row. Values on the same row are
    added. The first and the last row are left out.
    """
    ends = ((0, 0), (1, 1)) + ((0, 0),) * (x.ndim - 3)
    before, after = jnp.pad(x[:, :, :, 3], ends)[:, :-2], jnp.pad(x[:, :, :, 0], ends)[:, 2:]
    pairs = jnp.stack([x[:, :, :, 1] + before, x[:, :, :, 2] + after], 2)
    return pairs.reshape(len(x), -1, *x.shape[2:3], *x.shape[4:])


# ------------------------------------------------------------------------------------------------ the step


def trainer(options: protocol.Options, generate: Network, discriminate: Network) -> Callable[..., tuple[State, Array]]:
    """Return the function that takes several steps.

    Its arguments are the state, a key, all images as bytes, and indices (steps, batch). It returns the new state, and
    the sums of the losses of the discriminator and of the generator.
    """

    def step(state: State, key: Array, images: Array, indices: Array) -> tuple[State, Array]:
        generator, discriminator, now = state.generator, state.discriminator, state.steps + 1
        noise = jax.random.normal(jax.random.fold_in(key, now.astype(int)), (2, options.batch, protocol.LATENT))
        real = images[indices].astype(jnp.float32) / 127.5 - 1

        def generated(player: Player, latent: Array) -> tuple[Array, Callable[[Array], tuple[Weights]], Player]:
            call = lambda weights: generate(weights, player.averages, latent)  # noqa: E731
            fakes, pull_back, averages = jax.vjp(call, player.weights, has_aux=True)
            return fakes, pull_back, player._replace(averages=averages)

        def loss_of_discriminator(weights: Weights) -> tuple[Array, Weights]:
            # The mlp could judge real and fake images in one pass, but that is no faster here.
            real_logits, averages = discriminate(weights, discriminator.averages, real)
            fake_logits, averages = discriminate(weights, averages, fakes)
            return softplus(-real_logits).mean() + softplus(fake_logits).mean(), averages

        def loss_of_generator(fakes: Array) -> tuple[Array, Weights]:
            logits, averages = discriminate(discriminator.weights, discriminator.averages, fakes)
            return softplus(-logits).mean(), averages

        fakes, pull_back, generator = generated(generator, noise[0])
        (discriminator_loss, averages), gradients = jax.value_and_grad(loss_of_discriminator, has_aux=True)(
            discriminator.weights
        )
        discriminator = discriminator._replace(averages=averages).descend(gradients, now)
        if options.noise == "fresh":
            fakes, pull_back, generator = generated(generator, noise[1])
        (generator_loss, averages), fakes_gradient = jax.value_and_grad(loss_of_generator, has_aux=True)(fakes)
        discriminator = discriminator._replace(averages=averages)
        (gradients,) = pull_back(fakes_gradient)
        generator = generator.descend(gradients, now)
        return State(generator, discriminator, now), jnp.stack([discriminator_loss, generator_loss])

    def train(state: State, key: Array, images: Array, indices: Array) -> tuple[State, Array]:
        state, losses = lax.scan(
            lambda state, batch: step(state, key, images, batch), state, indices, unroll=min(UNROLL, len(indices))
        )
        return state, losses.sum(0)

    return train


def batches(examples: int, size: int) -> Iterator[NDArray[np.int32]]:
    """Yield batches of indices without end. Each epoch has its own random order.

    NumPy draws the permutation, because XLA would sort for it, which is far slower.
    """
    random = np.random.default_rng()
    while True:
        order = random.permutation(examples).astype(np.int32)
        for end in range(size, examples + 1, size):
            yield order[end - size : end]


def main() -> None:
    """Build the networks, compile the steps, and serve."""
    options = protocol.options()
    networks = {"mlp": (mlp, mlp_generate, mlp_discriminate), "dcgan": (dcgan, dcgan_generate, dcgan_discriminate)}
    new, generate, discriminate = networks[options.architecture]
    key = jax.random.key(int(np.random.default_rng().integers(2**31)))
    state, order = new(key), batches(len(options.images), options.batch)
    images = jax.device_put(options.images.reshape(-1, 784) if options.architecture == "mlp" else options.images)
    jitted = jax.jit(trainer(options, generate, discriminate), donate_argnums=0)
    compiled = {
        length: jitted.lower(state, key, images, np.zeros((length, options.batch), np.int32)).compile()
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
