"""Many steps in one call are the same steps, waste no work, and also run in half precision."""

from collections import Counter
from threading import current_thread, main_thread
from typing import ClassVar

import numpy as np
import pytest
from conftest import TINY, values, words

from ganfreeze.data.streams import Prefetcher, Streams, scale
from ganfreeze.gan.update.base import Update
from ganfreeze.proof import audit
from ganfreeze.proof.snapshot import Snapshot
from ganfreeze.strategy.engine import phases

FUSING = [(strategy, keras) for strategy in ("tape", "tfgan", "train_step") for keras in words("keras")]
UPDATES = [
    "alternating",
    "keras_gan",
    "simultaneous",
    "alternating update.noise=reused",
    "extragradient",
    "extragradient update.noise=reused",
    "optimistic",
    "optimistic update.order=discriminator_first update.noise=reused",
]


def weights(game):
    return [*values(game.networks.generator), *values(game.networks.discriminator)]


def train(build, *choice, steps):
    """Train a variant for so many steps, and return all weights."""
    game, strategy, streams = build(*TINY, "steps=100", *choice)
    strategy.advance(streams, 0, steps)
    return weights(game)


def largest_difference(first, second):
    return max(float(np.abs(a - b).max()) for a, b in zip(first, second, strict=True))


# ------------------------------------------------------------------------------------------------- the same steps


@pytest.mark.parametrize("update", UPDATES)
@pytest.mark.parametrize(("strategy", "keras"), FUSING)
def test_fused_steps_are_the_phases_one_by_one(build, strategy, keras, update):
    """Seven steps run as three, three and one. In double precision a difference below 1e-9 is only rounding."""
    choice = (f"strategy={strategy}", f"keras={keras}", "precision=float64", *f"update={update}".split())
    game, mechanism, streams = build(*TINY, "fused_steps=3", *choice)
    start = Snapshot([owned.variable for owned in audit.inventory(mechanism, game)])
    mechanism.advance(streams, 0, 7)
    fused = weights(game)
    start.restore()
    for step in range(7):
        phases.run_step(mechanism.phases, game.update, phases.step_inputs(game.update, streams, step))
    assert largest_difference(fused, weights(game)) < 1e-9


@pytest.mark.parametrize(
    "update", ["alternating", "simultaneous", "alternating update.noise=reused", "extragradient", "optimistic"]
)
@pytest.mark.parametrize(("strategy", "fused_steps"), [("tape", 2), ("train_step", 3)])
def test_steps_compiled_by_xla_are_the_same_to_rounding(build, strategy, fused_steps, update):
    choice = (f"strategy={strategy}", "precision=float64", f"fused_steps={fused_steps}", *f"update={update}".split())
    plain, compiled = (train(build, *choice, f"jit={jit}", steps=6) for jit in ("off", "on"))
    assert 0 < largest_difference(plain, compiled) < 1e-9


@pytest.mark.parametrize("regularizer", ["gradient_penalty", "r1", "weight_clip"])
def test_penalties_draw_the_same_numbers_under_xla(build, regularizer):
    """TensorFlow's stateless floats differ under XLA. A penalty at other points would be a different algorithm."""
    choice = (f"regularizer={regularizer}", "precision=float64", "fused_steps=2")
    plain, compiled = (train(build, *choice, f"jit={jit}", steps=2) for jit in ("off", "on"))
    assert largest_difference(plain, compiled) < 1e-9


@pytest.mark.parametrize("keras", words("keras"))
def test_a_keras_trainer_compiled_by_xla_is_the_same(build, keras):
    choice = ("strategy=toggle", f"keras={keras}", "precision=float64", "deterministic=false")
    plain, compiled = (train(build, *choice, f"jit={jit}", steps=3) for jit in ("off", "on"))
    assert largest_difference(plain, compiled) < 1e-9


def test_the_loop_is_traced_once_whatever_the_spans(build):
    """If XLA compiles it, it takes two steps at a time, and is traced a second time for a single step that is left.

    The results are the same to rounding.
    """
    results = []
    for jit, traces in (("off", 1), ("on", 2)):
        game, strategy, streams = build(*TINY, "precision=float64", "fused_steps=4", f"jit={jit}")
        for step, steps in ((0, 1), (1, 4), (5, 9), (14, 2)):
            strategy.advance(streams, step, steps)
        assert strategy._many.experimental_get_tracing_count() == traces
        results.append(weights(game))
    assert 0 < largest_difference(*results) < 1e-9


def test_metrics_are_means_over_the_steps(build):
    _, fused, streams = build(*TINY, "fused_steps=3")
    _, single, _ = build(*TINY)
    means = fused.advance(streams, 0, 5)
    by_step = [single.advance(streams, step, 1) for step in range(5)]
    assert set(means) == set(phases.METRICS)
    for name in phases.METRICS:
        assert means[name] == pytest.approx(np.mean([metrics[name] for metrics in by_step]), rel=1e-6)


# ---------------------------------------------------------------------------------------------------------- data


def test_a_memory_map_trains_as_an_array_in_memory(build, digits, tmp_path):
    """A memory map is read batch by batch, and never moved to the device as a whole."""
    file = tmp_path / "images.npy"
    np.save(file, digits.train.examples)
    results = []
    for images in (np.load(file), np.load(file, mmap_mode="r")):
        game, strategy, streams = build(*TINY, "fused_steps=4")
        strategy.advance(streams._replace(examples=images), 0, 10)
        results.append(values(game.networks.generator))
        resident = strategy._examples[1].shape[0]
        assert resident == (len(images) if not isinstance(images, np.memmap) else 4 * 16)
    assert largest_difference(*results) == 0


def test_draws_are_the_batches_and_noises_of_single_steps(digits):
    update = Update(discriminator_steps=2, noise="reused")
    streams = Streams(digits.train.examples, seed=3, batch_size=8, latent_dim=5, draws=2)
    draws = streams.draw(4, 3, update.noises())
    assert (draws.indices.shape, draws.noise.shape) == ((3, 2, 8), (3, 2, 8, 5))
    for number in range(3):
        real, noise = scale(draws.examples[draws.indices[number]]), draws.noise[number]
        inputs = phases.inputs_from_draws(update, real, noise)
        for (batch, latent), call in zip(inputs, update.calls(), strict=True):
            np.testing.assert_array_equal(batch, streams.batch(4 + number, call.real))
            np.testing.assert_array_equal(latent, streams.noise(4 + number, *call.noise))


class RecordedStreams(Streams):
    """Streams that record each step that is drawn, and whether a thread drew it ahead of time."""

    drawn: ClassVar[list[tuple[int, bool]]] = []

    def draw(self, step, steps, noises):
        self.drawn.append((step, current_thread() is not main_thread()))
        return super().draw(step, steps, noises)


def test_the_next_draws_are_made_ahead_of_time(digits):
    noises = Update().noises()
    plain, streams = (kind(digits.train.examples, 3, batch_size=8, latent_dim=5) for kind in (Streams, RecordedStreams))
    ahead = Prefetcher(4, noises)
    for step, then in ((0, 4), (4, 8), (8, 10), (10, 14), (2, 6)):
        draws, expected = ahead.draw(streams, step, then), plain.draw(step, 4, noises)
        np.testing.assert_array_equal(draws.indices, expected.indices)
        np.testing.assert_array_equal(draws.noise, expected.noise)
    other = plain._replace(seed=4)
    np.testing.assert_array_equal(ahead.draw(other, 6, 10).noise, other.draw(6, 4, noises).noise)
    ahead._thread.shutdown()  # this waits until all draws are made
    on_demand = [(0, False), (2, False)]
    in_advance = [(4, True), (6, True), (8, True), (10, True), (14, True)]
    assert sorted(streams.drawn) == on_demand + in_advance


@pytest.mark.parametrize("jit", [False, True])
def test_bytes_are_scaled_on_the_device_as_numpy_scales_them(jit):
    from ganfreeze.backend import tensorflow as tf
    from ganfreeze.strategy.engine.fused import scale_on_device

    every_byte = np.arange(256, dtype=np.uint8)
    scaled = tf.function(lambda images: scale_on_device(images, tf.float32), autograph=False, jit_compile=jit)
    np.testing.assert_array_equal(scaled(every_byte), scale(every_byte))


# ------------------------------------------------------------------------------------------------ no wasted work


def operations(function, *batch):
    """Return how often each kind of operation runs when this traced function is called.

    These are the operations that its results and its side effects need. Those that TensorFlow prunes do not count.
    """
    graph = function.get_concrete_function(*batch).graph
    needed, waiting = set(), [*(output.op for output in graph.outputs), *graph.control_outputs]
    while waiting:
        operation = waiting.pop()
        if operation not in needed:
            needed.add(operation)
            waiting += [*(tensor.op for tensor in operation.inputs), *operation.control_inputs]
    return Counter(operation.type for operation in needed)


@pytest.mark.parametrize("keras", words("keras"))
def test_frozen_weights_have_no_gradients(build, keras):
    """The kernel of a convolution has one Conv2DBackpropFilter for each pass that it learns from.

    Here these are two convolutions of the discriminator, each for real examples and fakes, and one convolution of the
    generator. Gradients of the discriminator's kernels in the generator phase would be two more. On the way to an
    image, the project's own `convolutions` end with a DepthToSpace instead of a Conv2DBackpropInput.
    """
    from ganfreeze.backend import tensorflow as tf
    from ganfreeze.strategy.engine.tapes import TapedPhases

    game, _, streams = build("architecture=dcgan", "architecture.filters=16", f"keras={keras}", "batch_size=16")
    taped, batch = TapedPhases(game), (streams.batch(0), streams.noise(0, "generator"))
    discriminator, generator = (
        operations(tf.function(phase, autograph=False), *map(tf.constant, batch))
        for phase in (taped.train_discriminator, taped.train_generator)
    )
    assert discriminator["Conv2DBackpropFilter"] == 2 * 2
    assert generator["Conv2DBackpropFilter"] == 1
    assert discriminator["Conv2DBackpropInput"] == 1 + 2, "the generator's own, and the discriminator's second, twice"
    assert generator["Conv2DBackpropInput"] == 1 + 1, "the generator's own, and through the discriminator's second"
    assert discriminator["DepthToSpace"] == 1, "the generator's last; no image has a gradient"
    assert generator["DepthToSpace"] == 1 + 1, "the generator's last, and through the discriminator's first"


@pytest.mark.parametrize("keras", words("keras"))
@pytest.mark.parametrize(("options", "passes"), [("", 2), ("update.noise=reused", 1), ("update=keras_gan", 2)])
def test_reused_fakes_are_made_once(build, keras, options, passes):
    """A counter in the generator's first layer tells how often it runs in a step."""
    game, strategy, streams = build(*TINY, "eager=true", f"keras={keras}", *options.split())
    layer, calls = game.networks.generator.layers[1], []
    call = layer.call

    def counted_call(*inputs, **options):
        calls.append(1)
        return call(*inputs, **options)

    layer.call = counted_call
    strategy.advance(streams, 0, 1)
    assert len(calls) == passes


@pytest.mark.parametrize("keras", words("keras"))
def test_one_pass_moves_the_generators_averages_as_two_would(build, keras):
    choice = ("architecture=dcgan", "architecture.filters=8", "update.noise=reused", f"keras={keras}")
    game, strategy, streams = build(*choice, "batch_size=16", "precision=float64")
    two_passes, two_pass_strategy, _ = build(*choice, "batch_size=16", "precision=float64")
    generator = game.networks.generator
    before = values(generator)
    strategy.advance(streams, 0, 3)
    for step in range(3):
        inputs = phases.step_inputs(two_passes.update, streams, step)
        phases.run_step(two_pass_strategy.phases, two_passes.update, inputs)
    assert largest_difference(values(generator), values(two_passes.networks.generator)) < 1e-7  # Keras 2's momentum
    moved = [
        float(np.abs(old - new).max())
        for old, new, variable in zip(before, values(generator), generator.weights, strict=True)
        if "moving" in variable.name
    ]
    assert min(moved) > 1e-4


# ----------------------------------------------------------------------------------------------- Keras' trainers


@pytest.mark.parametrize(
    ("update", "loss"),
    [("alternating", "nonsaturating"), ("alternating", "relativistic"), ("keras_gan", "nonsaturating")],
)
@pytest.mark.parametrize("strategy", ["compile", "trace", "toggle"])
def test_a_train_function_is_traced_once(build, strategy, update, loss):
    """If Keras traced it again, it would read the flags again."""
    _, mechanism, streams = build(*TINY, f"strategy={strategy}", f"update={update}", f"loss={loss}")
    mechanism.advance(streams, 0, 4)
    if strategy == "compile":  # it has no attributes for its trainers
        attributes = [trainer_of(phase) for phase in mechanism.phases.values()]
    else:
        attributes = vars(mechanism).values()
    models = [attribute.model for attribute in attributes if hasattr(attribute, "model")]
    assert {model.name for model in models} == {"discriminator_trainer", "combined"}
    for model in models:
        assert model.train_tf_function.experimental_get_tracing_count() == 1


def trainer_of(phase):
    """Return the trainer whose method a phase runs."""
    cells = [cell.cell_contents for cell in phase.train.__closure__]
    return next(cell.__self__ for cell in cells if hasattr(cell, "__self__"))


# ----------------------------------------------------------------------------------------------------- precision


MIXED = ["mixed_bfloat16", "mixed_float16"]


@pytest.mark.parametrize("keras", words("keras"))
@pytest.mark.parametrize("strategy", words("strategy"))
def test_every_strategy_trains_in_half_precision_as_in_single(build, strategy, keras):
    """Networks compute in half precision, and weights are stored in single precision.

    Two steps of SGD differ from those in single precision by the rounding of half precision.
    """
    choice = (f"strategy={strategy}", f"keras={keras}", "optimizer=sgd", *TINY)
    changes = {}
    for precision in ("float32", *MIXED):
        game, mechanism, streams = build(*choice, f"precision={precision}")
        generator = game.networks.generator
        before = values(generator)
        metrics = mechanism.advance(streams, 0, 2)
        assert all(np.isfinite(value) for value in metrics.values())
        changes[precision] = [new - old for new, old in zip(values(generator), before, strict=True)]
        dtypes = [variable.dtype for variable in generator.weights]
        assert {dtype.name if hasattr(dtype, "name") else dtype for dtype in dtypes} == {"float32"}
    largest = max(float(np.abs(change).max()) for change in changes["float32"])
    for precision in MIXED:
        assert 0 < largest_difference(changes["float32"], changes[precision]) < 0.05 * largest


@pytest.mark.parametrize("keras", words("keras"))
def test_float16_scales_the_loss_and_bfloat16_does_not(build, keras):
    game, strategy, streams = build(*TINY, "precision=mixed_float16", f"keras={keras}")
    for optimizer in (game.optimizers.generator, game.optimizers.discriminator):
        assert type(optimizer).__name__.startswith("LossScaleOptimizer")
    assert float(game.optimizers.scaled("generator", np.float32(1))) == 2**15
    strategy.advance(streams, 0, 1)
    plain, _, _ = build(*TINY, "precision=mixed_bfloat16", f"keras={keras}")
    assert float(plain.optimizers.scaled("generator", np.float32(1))) == 1
    latent = streams.noise(0, "generator")
    assert plain.networks.generator(latent).dtype == "float32"
    assert plain.networks.discriminator(streams.batch(0)).dtype == "float32"
