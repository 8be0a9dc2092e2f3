"""ganfreeze itself, as a contender: the strategy is the mode, and the rest is as a run of train.py would have it.

How the steps are run is for `jit=auto fused_steps=auto` to find; stderr tells what they found.
"""

import math
import sys
import tempfile
from pathlib import Path
from types import MappingProxyType

import protocol
from hydra import initialize_config_dir

from ganfreeze.app import execution
from ganfreeze.app.study import variant
from ganfreeze.backend import machine
from ganfreeze.data.dataset.base import Dataset, Split
from ganfreeze.record import provenance

ROOT = Path(__file__).parent.parent.parent.resolve()
MODES = MappingProxyType(
    {
        "tape": ["strategy=tape"],
        "train_step": ["strategy=train_step"],
        "compile": ["strategy=compile"],
        "seed": ["strategy=compile", "update=seed"],
    }
)
PRECISIONS = MappingProxyType({"float32": "float32", "bfloat16": "mixed_bfloat16"})


def main() -> None:
    """Serve."""
    chosen = protocol.options(modes=tuple(MODES), precisions=tuple(PRECISIONS))
    with tempfile.TemporaryDirectory() as cache, initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        wanted = variant(
            *MODES[chosen.mode],
            *(f"architecture={chosen.architecture}", f"batch_size={chosen.batch}", f"update.noise={chosen.noise}"),
            *(f"precision={PRECISIONS[chosen.precision]}", "evaluator=none", "steps=100000", f"paths.cache={cache}"),
        )
        data = Dataset.of("mnist", Split(chosen.images, None), Split(chosen.images[:1], None), source="--images")
        assembled, choice = execution.build_fastest(wanted, data)
    print(choice.why, file=sys.stderr)
    taken = 0

    def train(steps: int) -> tuple[float, float]:
        nonlocal taken
        scalars = assembled.strategy.advance(assembled.streams, taken, steps)
        taken += steps
        return scalars["discriminator_loss"], scalars["generator_loss"]

    phases = assembled.strategy.phases
    generator, discriminator = (
        sum(math.prod(variable.shape) for variable in phases[name].trains) for name in ("generator", "discriminator")
    )
    versions = {name: provenance.versions()[name] for name in ("python", "tensorflow", "tf-keras")}
    device = "cuda" if machine.gpus() else "cpu"
    protocol.serve(f"ganfreeze {chosen.mode}", versions, device, (generator, discriminator), train)


if __name__ == "__main__":
    main()
