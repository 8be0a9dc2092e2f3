"""Samples from a finished run."""

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from ganfreeze import errors
from ganfreeze.app import recorded_runs, validation
from ganfreeze.app.config import make
from ganfreeze.app.exits import friendly_errors
from ganfreeze.data.streams import sample_noise, weight_generator
from ganfreeze.evaluation import sampler
from ganfreeze.gan.networks import Networks
from ganfreeze.record import checkpoints, mlflow_store, pictures


def sample(cfg: DictConfig) -> None:
    """Draw samples from a finished run's weights, and write them as a picture."""
    with friendly_errors():
        settings = validation.check_sampling(OmegaConf.to_container(cfg, resolve=True))  # pyright: ignore
        networks = load(settings.run, mlflow_store.tracking_uri(settings.uri, settings.mlruns))
        latent = sample_noise(settings.seed, settings.count, networks.latent_dim)
        try:
            samples = sampler.Sampler(networks.generator)(latent)
        except errors.Diverged as error:
            raise errors.BadInput(f"run={settings.run}: {error}") from error
        pictures.write(samples, Path(settings.output))
        print(f"{settings.output}: {len(samples)} samples of run {settings.run}")


def load(run: str, uri: str) -> Networks:
    """The networks of a finished run, with their final weights.

    Raises:
        BadInput: there is no such run at this tracking URI, or it did not get as far as saving its weights.
    """
    found = mlflow_store.recorded(uri, run)
    variant = recorded_runs.variant(found, [])
    networks = variant.architecture.build(
        keras=make(variant.cfg.keras),
        image_shape=checkpoints.image_shape(found.weights),
        random=weight_generator(0),
        packing=variant.settings.packing,
    )
    checkpoints.restore(networks, found.weights)
    return networks
