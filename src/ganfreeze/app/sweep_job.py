"""One job of a sweep: its config, its names, and what became of it."""

import copy
from collections.abc import Sequence
from pathlib import Path

from hydra.core.utils import JobReturn, JobStatus, filter_overrides
from omegaconf import DictConfig, open_dict

from ganfreeze.app.parse_config import Variant, parse
from ganfreeze.errors import BadInput

FAILED = JobReturn(status=JobStatus.FAILED)


def job_name(job: DictConfig) -> str:
    """Return the overrides of a job."""
    return " ".join(filter_overrides(job.hydra.overrides.task))


def folder_of(job: DictConfig) -> Path:
    """Return the folder of a job, in that of the sweep."""
    return Path(job.hydra.sweep.dir, job.hydra.sweep.subdir)


def parsed(job: DictConfig) -> Variant:
    """Parse the config of a job. Raises BadInput."""
    config = copy.deepcopy(job)
    with open_dict(config):
        words = config.pop("hydra").runtime.choices
    return parse(config, words)


def is_done(returned: JobReturn) -> bool:
    """Return whether a job has ended well."""
    return returned.status == JobStatus.COMPLETED


def numbered(job: DictConfig, sweep: str, number: int) -> DictConfig:
    """Return the config of a job that knows its sweep, and its number in it."""
    with open_dict(job):
        job.hydra.job.id, job.hydra.job.num = f"{sweep}/{number}", number
    return job


def parse_all(jobs: Sequence[DictConfig]) -> list[Variant]:
    """Parse all configs, so that a bad one stops the sweep before any job starts."""
    variants = []
    for job in jobs:
        try:
            variants.append(parsed(job))
        except BadInput as error:
            raise SystemExit(f"ganfreeze: nothing was started; {job_name(job)}:\n{error}") from None
    return variants
