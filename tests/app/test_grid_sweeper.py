"""The keys of a zip vary together, and every other key on its own."""

import programs
import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser

RATES = ("optimizer.generator_rate=1e-4,2e-4", "optimizer.discriminator_rate=4e-4,8e-4")


def jobs(*overrides, batch=None, **options):
    """Return the overrides of the jobs, in batches."""
    from hydra_plugins.grid_sweeper import (
        GridSweeper,  # late: when Hydra looks for plugins, it imports all of them anew
    )

    return GridSweeper(batch, **options).split_arguments(OverridesParser.create().parse_overrides(overrides), batch)


def test_without_a_zip_it_is_hydras_own_sweeper():
    overrides = ["loss=hinge,minimax", "steps=20", "seed=range(3)"]
    parsed = OverridesParser.create().parse_overrides(overrides)
    assert jobs(*overrides) == BasicSweeper.split_arguments(parsed, None)
    assert jobs(*overrides, batch=4) == BasicSweeper.split_arguments(parsed, 4)


def test_zipped_keys_vary_together_and_are_one_key_of_the_grid():
    zipped = ["optimizer.generator_rate", "optimizer.discriminator_rate"]
    first = ["optimizer.generator_rate=0.0001", "optimizer.discriminator_rate=0.0004"]
    second = ["optimizer.generator_rate=0.0002", "optimizer.discriminator_rate=0.0008"]
    assert jobs("steps=20", RATES[0], "seed=0,1", RATES[1], zip=zipped) == [
        [
            ["steps=20", *first, "seed=0"],
            ["steps=20", *first, "seed=1"],
            ["steps=20", *second, "seed=0"],
            ["steps=20", *second, "seed=1"],
        ]
    ]


@pytest.mark.parametrize(
    ("zipped", "overrides", "sentence"),
    [
        (
            "[optimizer.generator_rate,optimizer.discriminator_rate]",
            [RATES[0], "optimizer.discriminator_rate=1e-4,2e-4,3e-4"],
            "hydra.sweeper.zip: the keys need as many values each; optimizer.generator_rate has 2, "
            "optimizer.discriminator_rate has 3",
        ),
        ("[optimizer.generator_rate,seed]", [RATES[0]], "hydra.sweeper.zip: seed has only one value in this sweep"),
        (
            "[optimizer.generatr_rate,optimizer.discriminator_rate]",
            RATES,
            "hydra.sweeper.zip: optimizer.generatr_rate has only one value in this sweep",
        ),
        ("seed", ["seed=0,1"], "hydra.sweeper.zip=seed: must be a list of two keys or more, in brackets"),
    ],
)
def test_a_zip_that_does_not_fit_is_refused_in_a_sentence(tmp_path, zipped, overrides, sentence):
    ended = programs.run(tmp_path, "train", "-m", f"hydra.sweeper.zip={zipped}", *overrides)
    assert (ended.returncode, ended.stderr) == (1, f"ganfreeze: {sentence}\n")
    assert not (tmp_path / "mlruns").exists()
