"""Draw samples from a finished run: the program `src/sample.py`."""

from pathlib import Path

from omegaconf import DictConfig

from ganfreeze.app.exits import friendly_errors
from ganfreeze.app.parse_config import resolved
from ganfreeze.app.process import prepare_process
from ganfreeze.app.recorded_runs import variant_of
from ganfreeze.app.settings import parse_sample_settings
from ganfreeze.app.training_setup import build_networks
from ganfreeze.data.streams import sample_noise
from ganfreeze.errors import BadInput, Diverged
from ganfreeze.evaluation.sampler import Sampler
from ganfreeze.gan.networks import Networks
from ganfreeze.record import checkpoints, mlflow_client, pictures


def run(cfg: DictConfig) -> None:
    """Draw samples with a finished run's weights, and write them as a picture."""
    with friendly_errors():
        settings = parse_sample_settings(resolved(cfg))
        networks = load_networks(settings.run, mlflow_client.tracking_uri(settings.uri, settings.mlruns))
        latent = sample_noise(settings.seed, settings.count, networks.latent_dim)
        try:
            samples = Sampler(networks.generator)(latent)
        except Diverged as error:
            raise BadInput(f"run={settings.run}: {error}") from error
        pictures.write(samples, Path(settings.output))
        print(f"{settings.output}: {len(samples)} samples of run {settings.run}")


def load_networks(run_id: str, uri: str) -> Networks:
    """Load the networks of a finished run with their final weights.

    Raises:
        BadInput: there is no such run at this tracking URI, or it ended before it saved its weights.
    """
    finished = mlflow_client.finished_run(uri, run_id)
    variant = variant_of(finished, [])
    keras = variant.load_keras()
    prepare_process(variant.settings, keras)
    networks = build_networks(variant, checkpoints.example_shape(finished.weights), keras)
    checkpoints.restore(networks, finished.weights)
    return networks
