"""ganfreeze as a contender: the mode is the strategy, and everything else is as in a run of train.py.

`jit=auto fused_steps=auto` choose the way to run the steps; stderr says which way.
"""

import math
import sys
import tempfile
from pathlib import Path
from types import MappingProxyType

import protocol
from hydra import initialize_config_dir

from ganfreeze.app import execution
from ganfreeze.app.compose import compose_variant
from ganfreeze.backend import machine
from ganfreeze.data.dataset.base import Dataset, Split
from ganfreeze.record import provenance

ROOT = Path(__file__).parent.parent.parent.resolve()
MODES = MappingProxyType(
    {
        "tape": ["strategy=tape"],
        "train_step": ["strategy=train_step"],
        "compile": ["strategy=compile"],
        "keras_gan": ["strategy=compile", "update=keras_gan"],
    }
)
PRECISIONS = MappingProxyType({"float32": "float32", "bfloat16": "mixed_bfloat16"})


def main() -> None:
    """Build a variant of ganfreeze from the options, and serve it."""
    options = protocol.options(modes=tuple(MODES), precisions=tuple(PRECISIONS))
    with tempfile.TemporaryDirectory() as cache, initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        variant = compose_variant(
            *MODES[options.mode],
            f"architecture={options.architecture}",
            f"batch_size={options.batch}",
            f"update.noise={options.noise}",
            f"precision={PRECISIONS[options.precision]}",
            "evaluator=none",
            "steps=100000",
            f"paths.cache={cache}",
        )
        dataset = Dataset.of("mnist", Split(options.images, None), Split(options.images[:1], None), source="--images")
        setup, choice = execution.build_fastest(variant, dataset)
    print(choice.why, file=sys.stderr)
    taken = 0

    def train(steps: int) -> tuple[float, float]:
        nonlocal taken
        scalars = setup.strategy.advance(setup.streams, taken, steps)
        taken += steps
        return scalars["discriminator_loss"], scalars["generator_loss"]

    phases = setup.strategy.phases
    generator, discriminator = (
        sum(math.prod(variable.shape) for variable in phases[name].trains) for name in ("generator", "discriminator")
    )
    versions = {name: provenance.versions()[name] for name in ("python", "tensorflow", "tf-keras")}
    device = "cuda" if machine.gpus() else "cpu"
    protocol.serve(f"ganfreeze {options.mode}", versions, device, (generator, discriminator), train)


if __name__ == "__main__":
    main()
