"""Draw samples from a finished run: the program `src/sample.py`."""

from pathlib import Path

from omegaconf import DictConfig

from ganfreeze.app.exits import friendly_errors
from ganfreeze.app.parse_config import resolved
from ganfreeze.app.program_settings import SampleSettings, parse_program
from ganfreeze.app.recorded_runs import restored_networks, variant_of
from ganfreeze.data.dataset.base import Examples
from ganfreeze.data.streams import sample_noise
from ganfreeze.errors import BadInput, Diverged
from ganfreeze.evaluation.sampler import Sampler
from ganfreeze.record import mlflow_client, pictures, store_address


def run(cfg: DictConfig) -> None:
    """Draw samples with a finished run's weights, and write them as a picture."""
    with friendly_errors():
        settings = parse_program(SampleSettings, resolved(cfg))
        samples = draw(settings)
        pictures.write(samples, Path(settings.output))
        print(f"{settings.output}: {len(samples)} samples of run {settings.run}")


def draw(settings: SampleSettings) -> Examples:
    """Draw samples of a finished run. Raises BadInput."""
    uri = store_address.tracking_uri(settings.uri, settings.mlruns)
    finished = mlflow_client.finished_run(uri, settings.run)
    variant = variant_of(finished, [])
    _, networks = restored_networks(variant, finished.weights)
    latent = sample_noise(settings.seed, settings.count, networks.latent_dim, variant.settings.latent)
    try:
        return Sampler(networks.generator, variant.settings.latent)(latent)
    except Diverged as error:
        raise BadInput(f"run={settings.run}: {error}") from error
