"""List sweeps with their state, cost and time left: the program `src/sweeps.py`."""

from pathlib import Path

from omegaconf import DictConfig

from ganfreeze.app.exits import friendly_errors
from ganfreeze.app.parse_config import resolved
from ganfreeze.app.program_settings import SweepsSettings, parse_program
from ganfreeze.errors import BadInput
from ganfreeze.record import sweep_ledger
from ganfreeze.record.report import sweep_list


def run(cfg: DictConfig) -> None:
    """Print a table of all sweeps, or of the runs of one."""
    with friendly_errors():
        settings = parse_program(SweepsSettings, resolved(cfg))
        state = Path(settings.state)
        sweeps = {
            ledger.name: (ledger, sweep_ledger.progress_of(state, ledger.jobs))
            for ledger in sweep_ledger.ledgers(state)
        }
        if settings.sweep is None:
            print(sweep_list.sweeps_table(list(sweeps.values())) if sweeps else f"{state}: there are no sweeps")
        elif settings.sweep in sweeps:
            print(sweep_list.jobs_table(*sweeps[settings.sweep]))
        else:
            raise BadInput(f"sweep={settings.sweep}: there is no such sweep in {state}; {', '.join(sweeps) or 'none'}")
