"""One step call by call: its gradients are those by which the weights move."""

import numpy as np
import pytest
from conftest import TINY, values

from ganfreeze.proof.step_replay import report_calls

RATE = 0.25
DESCENT = ("optimizer=sgd", f"optimizer.generator_rate={RATE}", f"optimizer.discriminator_rate={RATE}")


def moves(model, before):
    """Return how far each layer has moved, divided by the learning rate: with gradient descent, its gradient's norm."""
    squares: dict[str, float] = {}
    trained = {id(weight) for weight in model.trainable_weights}
    for weight, was in zip(model.weights, before, strict=True):
        if id(weight) in trained:
            layer = getattr(weight, "path", weight.name).rpartition("/")[0]
            move = (weight.numpy().astype(np.float64) - was) / RATE
            squares[layer] = squares.get(layer, 0.0) + float(np.sum(move**2))
    return {layer: square**0.5 for layer, square in squares.items()}


@pytest.mark.parametrize("choice", ["keras=keras2", "keras=keras3", "strategy=train_step", "architecture.dropout=0.5"])
def test_the_gradient_norms_are_those_of_the_step(build, choice):
    """Dropout draws the same masks again: with others the norms would differ by far more than rounding."""
    game, strategy, streams = build(*TINY, "steps=100", *DESCENT, choice)
    models = {"discriminator": game.networks.discriminator, "generator": game.networks.generator}
    before = {name: values(model) for name, model in models.items()}
    for report in report_calls(strategy, game, streams, 0):
        expected = moves(models[report.phase], before[report.phase])
        assert report.gradient_norms == pytest.approx(expected, rel=1e-3, abs=1e-5), report.phase
