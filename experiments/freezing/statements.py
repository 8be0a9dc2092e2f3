"""Measure what a table of moves cannot show: losses, counters, scales, summaries, random numbers, saved models.

    python experiments/freezing/statements.py

measures every statement under both Keras, prints a table, and writes it to statements.csv beside this file. With names
of statements, such as l2_penalty, it prints these alone.
"""

import csv
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "traps"))
import flags  # noqa: E402
import optimizers  # noqa: E402
import small  # noqa: E402

Quantities = Mapping[str, float | None]

STEPS, BATCH = 10, 16
RATE = 1e-2  # of every Adam in the traps
FIELDS = ("statement", "quantity", "keras2", "keras3")


def l2_penalty(keras: Any) -> Quantities:
    """A frozen discriminator's L2 penalty is in the combined model's loss: under Keras 2, not under Keras 3."""
    losses = {}
    for weight in (0.0, 1.0):
        generator = small.generator(keras)
        discriminator = small.discriminator(keras, kernel_regularizer=keras.regularizers.L2(weight))
        combined = small.idiom(keras, generator, discriminator)[2]
        losses[weight] = float(combined.train_on_batch(batches()[1], np.ones((BATCH, 1), np.float32)))
    squares = float(np.square(discriminator.get_weights()[0]).sum())
    return {"the penalty's share in the loss": (losses[1.0] - losses[0.0]) / squares}


def summary(keras: Any) -> Quantities:
    """summary() shows the flag of now: it counts 0 trainable parameters for a discriminator that trains."""
    gan = flags.idiom(keras) if keras.__name__ == "tf_keras" else flags.toggled(keras)
    moved = train(gan)
    lines: list[str] = []
    gan[1].summary(print_fn=lambda line, *_, **__: lines.append(line))
    (line,) = (line for line in "\n".join(lines).splitlines() if line.strip().startswith("Trainable params"))
    return {
        "trainable parameters in summary()": float(line.split()[2]),
        "D moved in 10 steps": moved["discriminator"],
    }


def shared_counter(keras: Any) -> Quantities:
    """A shared Adam counts the steps of both networks, so its bias correction runs twice as fast."""
    quantities = {}
    for name, trap in {"shared": optimizers.shared, "of its own": optimizers.zero_gradients_of_its_own}.items():
        gan = trap(keras)
        first = train(gan, steps=1)["generator"] / RATE
        train(gan, steps=STEPS - 1)
        quantities[f"count after 10 steps, {name}"] = float(gan[2]["generator"].iterations.numpy())
        quantities[f"G's first move / learning rate, {name}"] = first
    return quantities


def accumulated_gradients(keras: Any) -> Quantities:
    """One optimizer that accumulates the gradients of two steps never applies the discriminator's."""
    traps = {"shared": optimizers.accumulation, "of its own": optimizers.accumulation_of_its_own}
    quantities: dict[str, float | None] = {}
    for name, trap in traps.items():
        try:
            moved: Mapping[str, float | None] = train(trap(keras))
        except NotImplementedError:
            moved = {"discriminator": None, "generator": None}
        quantities[f"D moved in 10 steps, {name}"] = moved["discriminator"]
        quantities[f"G moved in 10 steps, {name}"] = moved["generator"]
    return quantities


def shared_loss_scale(keras: Any) -> Quantities:
    """One optimizer has one loss scale: the steps that one phase skips lower the scale of the other."""
    quantities: dict[str, float | None] = {}
    for name, trap in {"shared": optimizers.loss_scale, "of its own": optimizers.loss_scale_of_its_own}.items():
        gan = trap(keras)
        train(gan, phases=("discriminator",))
        moved = train(gan, steps=1, phases=("generator",))
        quantities[f"G moved by its first phase, {name}"] = moved["generator"]
    return quantities


def random_layers(keras: Any) -> Quantities:
    """A flag leaves Dropout and GaussianNoise stochastic; inference mode ends that."""
    quantities: dict[str, float | None] = {}
    for kind in (keras.layers.Dropout, keras.layers.GaussianNoise):
        small.generator(keras)
        discriminator = small.discriminator(keras, kind(0.3))
        discriminator.trainable = False
        for mode, training in (("training", True), ("inference", False)):
            logits = [[np.array(discriminator(batches()[0], training=training))] for _ in range(2)]
            quantities[f"difference between two calls, {kind.__name__}, {mode} mode"] = largest(*logits)
    return quantities


def saved_and_loaded(keras: Any) -> Quantities:
    """A combined model that is saved and loaded keeps the flags of its layers and its optimizer: it trains G alone."""
    gan = flags.idiom(keras)
    train(gan, phases=("generator",))
    saved = [np.array(variable) for variable in gan[2].optimizer.variables]
    combined = small.reloaded(keras, gan[2])
    generator, discriminator = combined.get_layer("generator"), combined.get_layer("discriminator")
    loaded = [np.array(variable) for variable in combined.optimizer.variables]
    steps = float(combined.optimizer.iterations.numpy())
    calls = small.train_calls(generator, discriminator, combined)
    moved = train((generator, discriminator, combined, *calls), phases=("generator",))
    return {
        "flag of the loaded D": float(discriminator.trainable),
        "layers of the loaded D whose flag is True": float(sum(layer.trainable for layer in discriminator.layers[1:])),
        "whether the loaded D is compiled": float(getattr(discriminator, "optimizer", None) is not None),
        "steps that the loaded optimizer counts": steps,
        "difference of the optimizer's variables, saved and loaded": largest(saved, loaded),
        "D moved in 10 batches of the loaded model": moved["discriminator"],
        "G moved in 10 batches of the loaded model": moved["generator"],
    }


STATEMENTS = {
    function.__name__: function
    for function in (
        l2_penalty,
        summary,
        shared_counter,
        accumulated_gradients,
        shared_loss_scale,
        random_layers,
        saved_and_loaded,
    )
}


def batches() -> tuple[Any, Any]:
    """Return real examples in [-1, 1], (16, 8), and latent vectors, (16, 4): the same in every call."""
    random = np.random.default_rng(0)
    real, latent = random.uniform(-1, 1, (BATCH, small.FEATURES)), random.standard_normal((BATCH, small.LATENT))
    return real.astype(np.float32), latent.astype(np.float32)


def train(
    gan: Any, steps: int = STEPS, phases: tuple[str, ...] = ("discriminator", "generator")
) -> Mapping[str, float]:
    """Train a GAN of the traps, and return the largest absolute change of a weight of each network."""
    networks = {"generator": gan[0], "discriminator": gan[1]}
    before = {name: model.get_weights() for name, model in networks.items()}
    for _ in range(steps):
        for phase in phases:
            gan[3](*batches()) if phase == "discriminator" else gan[4](batches()[1])
    return {name: largest(before[name], model.get_weights()) for name, model in networks.items()}


def largest(before: Any, after: Any) -> float:
    """Return the largest absolute difference between two lists of arrays."""
    return max(float(np.abs(new - old).max()) for old, new in zip(before, after, strict=True))


def measured(names: list[str]) -> list[list[str]]:
    """Measure statements under both Keras, and return a row for each quantity."""
    import keras as keras3
    import tf_keras as keras2

    rows = []
    for name in names:
        both = [STATEMENTS[name](keras) for keras in (keras2, keras3)]
        for quantity in both[0]:
            rows.append([name, quantity, *(text(quantities[quantity]) for quantities in both)])
    return rows


def text(value: float | None) -> str:
    """Return a number with three digits; "-" if there is none."""
    return "-" if value is None else f"{value:.3g}"


def main() -> None:
    """Print the statements that the command line names, or print all and write the table."""
    names = sys.argv[1:]
    if unknown := [name for name in names if name not in STATEMENTS]:
        raise SystemExit(f"no statement is called {unknown[0]}; there are {', '.join(STATEMENTS)}")
    rows = measured(names or list(STATEMENTS))
    for row in rows:
        print("{:22} {:56} {:>8} {:>8}".format(*row))
    if not names:
        with (HERE / "statements.csv").open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([FIELDS, *rows])


if __name__ == "__main__":
    main()
