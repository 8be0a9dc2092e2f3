"""Many steps in one call are the same steps; how they are run is measured, kept and told."""

from collections import Counter
from threading import current_thread, main_thread
from typing import ClassVar

import numpy as np
import pytest
from conftest import values, words

from ganfreeze.data.streams import Prefetcher, Streams, scale
from ganfreeze.gan.update.base import Update
from ganfreeze.proof import audit
from ganfreeze.proof.snapshot import Snapshot
from ganfreeze.strategy.engine import phases

FUSING = [(strategy, keras) for strategy in ("tape", "tfgan", "train_step") for keras in words("keras")]
UPDATES = ["alternating", "seed", "simultaneous", "alternating update.noise=reused"]


def weights(game):
    return [*values(game.networks.generator), *values(game.networks.discriminator)]


def trained(assemble, *choice, steps):
    """All weights after so many steps."""
    game, strategy, streams = assemble("batch_size=16", "steps=100", *choice)
    strategy.advance(streams, 0, steps)
    return weights(game)


def apart(one, other):
    return max(float(np.abs(a - b).max()) for a, b in zip(one, other, strict=True))


# ------------------------------------------------------------------------------------------------- the same steps


@pytest.mark.parametrize("update", UPDATES)
@pytest.mark.parametrize(("strategy", "keras"), FUSING)
def test_fused_steps_are_the_phases_one_by_one(assemble, strategy, keras, update):
    """Seven steps as three, three and one; in double precision, where 1e-9 is rounding and nothing else."""
    choice = (f"strategy={strategy}", f"keras={keras}", "precision=float64", *f"update={update}".split())
    game, made, streams = assemble("batch_size=16", "fused_steps=3", *choice)
    start = Snapshot([each.variable for each in audit.inventory(made, game)])
    made.advance(streams, 0, 7)
    fused = weights(game)
    start.restore()
    for step in range(7):
        phases.run_step(made.phases, game.update, phases.step_inputs(game.update, streams, step))
    assert apart(fused, weights(game)) < 1e-9


@pytest.mark.parametrize("update", ["alternating", "simultaneous", "alternating update.noise=reused"])
@pytest.mark.parametrize(("strategy", "fused_steps"), [("tape", 2), ("train_step", 3)])
def test_what_xla_compiles_is_the_same_to_rounding(assemble, strategy, fused_steps, update):
    choice = (f"strategy={strategy}", "precision=float64", f"fused_steps={fused_steps}", *f"update={update}".split())
    plain, compiled = (trained(assemble, *choice, f"jit={jit}", steps=6) for jit in ("off", "on"))
    assert 0 < apart(plain, compiled) < 1e-9


@pytest.mark.parametrize("regularizer", ["gradient_penalty", "r1", "weight_clip"])
def test_xla_draws_what_penalties_draw(assemble, regularizer):
    """TensorFlow's stateless floats differ under XLA; a penalty at other places would be another algorithm."""
    choice = (f"regularizer={regularizer}", "precision=float64", "fused_steps=2")
    plain, compiled = (trained(assemble, *choice, f"jit={jit}", steps=2) for jit in ("off", "on"))
    assert apart(plain, compiled) < 1e-9


@pytest.mark.parametrize("keras", words("keras"))
def test_a_keras_trainer_compiled_by_xla_is_the_same(assemble, keras):
    choice = ("strategy=toggle", f"keras={keras}", "precision=float64", "deterministic=false")
    plain, compiled = (trained(assemble, *choice, f"jit={jit}", steps=3) for jit in ("off", "on"))
    assert apart(plain, compiled) < 1e-9


def test_the_loop_is_traced_once_whatever_the_spans(assemble):
    """And where XLA compiles it, which takes two steps at a time, a second time for one that is left; to rounding."""
    ends = []
    for jit, traces in (("off", 1), ("on", 2)):
        game, strategy, streams = assemble("precision=float64", "fused_steps=4", "batch_size=16", f"jit={jit}")
        for step, steps in ((0, 1), (1, 4), (5, 9), (14, 2)):
            strategy.advance(streams, step, steps)
        assert strategy._many.experimental_get_tracing_count() == traces
        ends.append(weights(game))
    assert 0 < apart(*ends) < 1e-9


def test_scalars_are_means_over_the_steps(assemble):
    _, fused, streams = assemble("fused_steps=3", "batch_size=16")
    _, single, _ = assemble("batch_size=16")
    together = fused.advance(streams, 0, 5)
    apiece = [single.advance(streams, step, 1) for step in range(5)]
    assert set(together) == set(phases.METRICS)
    for name in phases.METRICS:
        assert together[name] == pytest.approx(np.mean([each[name] for each in apiece]), rel=1e-6)


# ---------------------------------------------------------------------------------------------------------- data


def test_a_memory_map_trains_as_what_is_in_memory(assemble, digits, tmp_path):
    """It is looked up batch by batch, and never moved to the device as a whole."""
    file = tmp_path / "images.npy"
    np.save(file, digits.train.images)
    ends = []
    for images in (np.load(file), np.load(file, mmap_mode="r")):
        game, strategy, streams = assemble("fused_steps=4", "batch_size=16")
        strategy.advance(streams._replace(images=images), 0, 10)
        ends.append(values(game.networks.generator))
        resident = strategy._examples[1].shape[0]
        assert resident == (len(images) if not isinstance(images, np.memmap) else 4 * 16)
    assert apart(*ends) == 0


def test_draws_are_the_batches_and_noises_of_single_steps(digits):
    update = Update(discriminator_steps=2, noise="reused")
    streams = Streams(digits.train.images, seed=3, batch_size=8, latent_dim=5, draws=2)
    draws = streams.draw(4, 3, update.noises())
    assert (draws.indices.shape, draws.noise.shape) == ((3, 2, 8), (3, 2, 8, 5))
    for number in range(3):
        real, noise = scale(draws.examples[draws.indices[number]]), draws.noise[number]
        for (one, other), call in zip(phases.inputs_from_draws(update, real, noise), update.calls(), strict=True):
            np.testing.assert_array_equal(one, streams.batch(4 + number, call.real))
            np.testing.assert_array_equal(other, streams.noise(4 + number, *call.noise))


class Recorded(Streams):
    """Streams that note which step they are asked for, and whether that is done while nobody waits for it."""

    asked: ClassVar[list[tuple[int, bool]]] = []

    def draw(self, step, steps, noises):
        self.asked.append((step, current_thread() is not main_thread()))
        return super().draw(step, steps, noises)


def test_the_next_draws_are_made_ahead(digits):
    noises = Update().noises()
    plain, streams = (kind(digits.train.images, 3, batch_size=8, latent_dim=5) for kind in (Streams, Recorded))
    ahead = Prefetcher(4, noises)
    for step, then in ((0, 4), (4, 8), (8, 10), (10, 14), (2, 6)):
        drawn, expected = ahead.draw(streams, step, then), plain.draw(step, 4, noises)
        np.testing.assert_array_equal(drawn.indices, expected.indices)
        np.testing.assert_array_equal(drawn.noise, expected.noise)
    other = plain._replace(seed=4)
    np.testing.assert_array_equal(ahead.draw(other, 6, 10).noise, other.draw(6, 4, noises).noise)
    ahead._thread.shutdown()  # when it has done all that it was asked
    assert sorted(streams.asked) == [
        *((0, False), (2, False)),  # nobody could know
        *((4, True), (6, True), (8, True), (10, True), (14, True)),
    ]


@pytest.mark.parametrize("jit", [False, True])
def test_bytes_are_scaled_on_the_device_as_numpy_scales_them(jit):
    from ganfreeze.backend import tensorflow as tf
    from ganfreeze.strategy.engine.fused import scale_on_device

    every = np.arange(256, dtype=np.uint8)
    seen = tf.function(lambda each: scale_on_device(each, tf.float32), autograph=False, jit_compile=jit)
    np.testing.assert_array_equal(seen(every), scale(every))


# ------------------------------------------------------------------------------------------------ no wasted work


def operations(function, *batch):
    """How often each kind of operation runs when this traced function is called: what its results and its side
    effects need, and not what TensorFlow prunes."""
    graph = function.get_concrete_function(*batch).graph
    found, waiting = set(), [*(each.op for each in graph.outputs), *graph.control_outputs]
    while waiting:
        operation = waiting.pop()
        if operation not in found:
            found.add(operation)
            waiting += [*(each.op for each in operation.inputs), *operation.control_inputs]
    return Counter(each.type for each in found)


@pytest.mark.parametrize("keras", words("keras"))
def test_frozen_weights_have_no_gradients(assemble, keras):
    """A convolution's kernel has a Conv2DBackpropFilter for each pass that it learns from: here two convolutions of the
    discriminator by real examples and fakes, and one of the generator. The discriminator's own in the generator phase
    would be two more. What `convolutions` does instead, on the way to an image, ends with a DepthToSpace."""
    from ganfreeze.backend import tensorflow as tf
    from ganfreeze.strategy.engine.tapes import TapedPhases

    game, _, streams = assemble("architecture=dcgan", "architecture.filters=16", f"keras={keras}", "batch_size=16")
    taped, batch = TapedPhases(game), (streams.batch(0), streams.noise(0, "generator"))
    learn, fool = (
        operations(tf.function(each, autograph=False), *map(tf.constant, batch)) for each in (taped.learn, taped.fool)
    )
    assert learn["Conv2DBackpropFilter"] == 2 * 2
    assert fool["Conv2DBackpropFilter"] == 1
    assert learn["Conv2DBackpropInput"] == 1 + 2, "the generator's own, and the discriminator's second, twice"
    assert fool["Conv2DBackpropInput"] == 1 + 1, "the generator's own, and through the discriminator's second"
    assert learn["DepthToSpace"] == 1, "the generator's last; no image has a gradient"
    assert fool["DepthToSpace"] == 1 + 1, "the generator's last, and through the discriminator's first"


@pytest.mark.parametrize("keras", words("keras"))
@pytest.mark.parametrize(("options", "passes"), [("", 2), ("update.noise=reused", 1), ("update=seed", 2)])
def test_reused_fakes_are_made_once(assemble, keras, options, passes):
    """The generator's first layer counts how often it runs in a step."""
    game, strategy, streams = assemble("eager=true", f"keras={keras}", "batch_size=16", *options.split())
    layer, seen = game.networks.generator.layers[1], []
    call = layer.call
    layer.call = lambda *given, **options: (seen.append(1), call(*given, **options))[1]
    strategy.advance(streams, 0, 1)
    assert len(seen) == passes


@pytest.mark.parametrize("keras", words("keras"))
def test_one_pass_moves_the_generators_averages_as_two_would(assemble, keras):
    choice = ("architecture=dcgan", "architecture.filters=8", "update.noise=reused", f"keras={keras}")
    game, strategy, streams = assemble(*choice, "batch_size=16", "precision=float64")
    by_hand, hand, _ = assemble(*choice, "batch_size=16", "precision=float64")
    before = values(game.networks.generator)
    strategy.advance(streams, 0, 3)
    for step in range(3):
        phases.run_step(hand.phases, by_hand.update, phases.step_inputs(by_hand.update, streams, step))
    assert apart(values(game.networks.generator), values(by_hand.networks.generator)) < 1e-7  # Keras 2's momentum
    moved = [
        float(np.abs(one - other).max())
        for one, other, variable in zip(
            before, values(game.networks.generator), game.networks.generator.weights, strict=True
        )
        if "moving" in variable.name
    ]
    assert min(moved) > 1e-4


# ----------------------------------------------------------------------------------------------- Keras' trainers


@pytest.mark.parametrize("loss", ["nonsaturating", "relativistic"])
@pytest.mark.parametrize("update", ["alternating", "seed"])
@pytest.mark.parametrize("strategy", ["compile", "trace", "toggle"])
def test_a_train_function_is_traced_once(assemble, strategy, update, loss):
    """Traced again, Keras would look at the flags again."""
    if (update, loss) == ("seed", "relativistic"):
        return
    _, made, streams = assemble(f"strategy={strategy}", f"update={update}", f"loss={loss}", "batch_size=16")
    made.advance(streams, 0, 4)
    held = vars(made).values() if strategy != "compile" else [owner(phase) for phase in made.phases.values()]
    models = [each.model for each in held if hasattr(each, "model")]
    assert {model.name for model in models} == {"discriminator_trainer", "combined"}
    for model in models:
        assert model.train_tf_function.experimental_get_tracing_count() == 1


def owner(phase):
    """The trainer whose method a phase runs."""
    cells = [cell.cell_contents for cell in phase.run.__closure__]
    return next(cell.__self__ for cell in cells if hasattr(cell, "__self__"))


# ----------------------------------------------------------------------------------------------------- precision


MIXED = ["mixed_bfloat16", "mixed_float16"]


@pytest.mark.parametrize(("strategy", "keras"), [(s, k) for s in words("strategy") for k in words("keras")])
def test_every_strategy_trains_in_half_precision_as_in_single(assemble, strategy, keras):
    """Computed in half precision, kept in single: two steps of SGD differ from single precision's by its rounding."""
    choice = (f"strategy={strategy}", f"keras={keras}", "optimizer=sgd", "batch_size=16")
    ends = {}
    for precision in ("float32", *MIXED):
        game, made, streams = assemble(*choice, f"precision={precision}")
        begun = values(game.networks.generator)
        scalars = made.advance(streams, 0, 2)
        assert all(np.isfinite(value) for value in scalars.values())
        ends[precision] = [end - start for end, start in zip(values(game.networks.generator), begun, strict=True)]
        assert {
            variable.dtype.name if hasattr(variable.dtype, "name") else variable.dtype
            for variable in game.networks.generator.weights
        } == {"float32"}
    went = max(float(np.abs(each).max()) for each in ends["float32"])
    for precision in MIXED:
        assert 0 < apart(ends["float32"], ends[precision]) < 0.05 * went


@pytest.mark.parametrize("keras", words("keras"))
def test_float16_scales_the_loss_and_bfloat16_does_not(assemble, keras):
    game, made, streams = assemble("precision=mixed_float16", f"keras={keras}", "batch_size=16")
    for optimizer in (game.optimizers.generator, game.optimizers.discriminator):
        assert type(optimizer).__name__.startswith("LossScaleOptimizer")
    assert float(game.optimizers.scaled("generator", np.float32(1))) == 2**15
    made.advance(streams, 0, 1)
    plain, _, _ = assemble("precision=mixed_bfloat16", f"keras={keras}", "batch_size=16")
    assert float(plain.optimizers.scaled("generator", np.float32(1))) == 1
    latent = streams.noise(0, "generator")
    assert plain.networks.generator(latent).dtype == "float32"
    assert plain.networks.discriminator(streams.batch(0)).dtype == "float32"
