"""Samples from a finished run."""

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from ganfreeze import checkpoint, errors, sampling, types, validation
from ganfreeze.app import recorded
from ganfreeze.app.plainly import plainly
from ganfreeze.app.variant import make
from ganfreeze.report import query
from ganfreeze.streams import sample_noise, weights_random


def sample(cfg: DictConfig) -> None:
    """Draw samples from a finished run's weights, and write them as a picture."""
    with plainly():
        settings = validation.check_sampling(OmegaConf.to_container(cfg, resolve=True))  # pyright: ignore
        networks = load(settings.run, query.tracking_uri(settings.uri, settings.mlruns))
        latent = sample_noise(settings.seed, settings.count, networks.latent_dim)
        try:
            samples = sampling.Sampler(networks.generator)(latent)
        except errors.Diverged as error:
            raise errors.BadInput(f"run={settings.run}: {error}") from error
        sampling.write(samples, Path(settings.output))
        print(f"{settings.output}: {len(samples)} samples of run {settings.run}")


def load(run: str, uri: str) -> types.Networks:
    """The networks of a finished run, with their final weights.

    Raises:
        BadInput: there is no such run at this tracking URI, or it did not get as far as saving its weights.
    """
    found = query.recorded(uri, run)
    variant = recorded.variant(found, [])
    networks = variant.architecture.build(
        keras=make(variant.cfg.keras),
        image_shape=checkpoint.image_shape(found.weights),
        random=weights_random(0),
        packing=variant.settings.packing,
    )
    checkpoint.restore(networks, found.weights)
    return networks
