"""Run one step of a run again: the program `src/replay.py`."""

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from ganfreeze.app import divergence
from ganfreeze.app.exits import friendly_errors
from ganfreeze.app.parse_config import parse, resolved
from ganfreeze.app.program_settings import ReplaySettings, parse_program
from ganfreeze.app.settings import cadence_of
from ganfreeze.app.training_setup import build, guarded
from ganfreeze.errors import BadInput
from ganfreeze.record import checkpoints, delivered
from ganfreeze.record.checkpoints import Checkpoints
from ganfreeze.record.run_folder import RunFolder
from ganfreeze.strategy.base import Execution


def run(cfg: DictConfig) -> None:
    """Run a step again from the checkpoint before it, and print its losses, gradient norms and what is not finite."""
    with friendly_errors():
        settings = parse_program(ReplaySettings, resolved(cfg))
        path = delivered.folder_of(Path(settings.state), settings.run)
        if path is None:
            raise BadInput(f"run={settings.run}: there is no such run in state={settings.state}")
        folder = RunFolder(path)
        description, facts = folder.description, checkpoints.latest_facts(folder.checkpoints)
        if not facts:
            raise BadInput(f"run={settings.run} has no checkpoint")
        variant = parse(OmegaConf.create(description["config"]), description["words"])  # pyright: ignore[reportArgumentType]
        if (count := variant.settings.seeds_at_once) > 1:
            print(f"This run was one of {count} seeds in one program. Alone, its steps round differently.")
        setup = build(variant, variant.source.load(), Execution(*facts["execution"]))
        kept = Checkpoints(folder.checkpoints, setup.variables, last=1, best=None, facts=facts)
        strategy, cadence = guarded(variant, setup), cadence_of(variant.settings)
        print(divergence.replay(setup, strategy, kept, cadence, settings.step).text(), end="")
