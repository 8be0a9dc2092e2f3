"""The seeds that a config trains: one, or with `seeds_at_once` several in one program."""

from omegaconf import OmegaConf

from ganfreeze.app.parse_config import Variant


def single_seeds(variant: Variant) -> list[Variant]:
    """Return the variant of each seed that a config trains: `seed`, and with `seeds_at_once` those after it."""
    first, count = variant.settings.seed, variant.settings.seeds_at_once
    return [variant] if count == 1 else [_with_seed(variant, seed) for seed in range(first, first + count)]


def name_of_seed(name: str, seed: int) -> str:
    """Return the name of the run of one seed, from the name of a config that trains several."""
    own = [word for word in name.split(" ") if not word.startswith(("seed=", "seeds_at_once="))]
    return " ".join([*own, f"seed={seed}"])


def _with_seed(variant: Variant, seed: int) -> Variant:
    config = OmegaConf.create(variant.yaml)
    config.seed = seed
    return variant._replace(
        settings=variant.settings.model_copy(update={"seed": seed}),
        values={**variant.values, "seed": seed},
        yaml=OmegaConf.to_yaml(config),
    )
