"""The equivalence certificate: two variants trained in lockstep, and whether they are the same algorithm."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ganfreeze import certificate, errors, events
from ganfreeze import tensorflow as tf
from ganfreeze.app.freeze_matrix import words
from ganfreeze.app.study import folder, one_of, overrides, ready, variant
from ganfreeze.app.variant import Assembled, Variant, described
from ganfreeze.certificate import Certificate, Difference
from ganfreeze.data import Dataset
from ganfreeze.report import certificate as render
from ganfreeze.snapshot import values

_OWN = ("a", "b", "precisions", "tolerance", "steps", "output")

Pair = tuple[Variant, Variant]


def run(cfg: DictConfig) -> None:
    """Certify a against each b: print a table, write it with all differences and a plot, and record each pair."""
    try:
        output = folder(cfg)
        precisions = one_of(cfg, "precisions", list(certificate.TOLERANCES))
        others = _others(cfg)
        pairs = [[_pair(cfg, other, precision) for precision in precisions] for other in others]
        found = [_certify(cfg, other, pair, output) for other, pair in zip(others, pairs, strict=True)]
    except errors.BadInput as error:
        raise SystemExit(f"ganfreeze: {error}") from None
    (output / "certificates.md").write_text(render.markdown(found))
    render.plot(found, output / "divergence.png", " ".join(overrides(_OWN)) or "mlp digits")
    print(f"{render.markdown(found)}\n{output}: certificates.md, divergence.png, and a CSV file for each pair")


def _others(cfg: DictConfig) -> list[str]:
    for key in ("a", "b"):
        if OmegaConf.is_missing(cfg, key):
            raise errors.BadInput(f"{key} has no default: set {key}=..., such as {key}=tape")
    if cfg.b == "all":
        return [word for word in words("strategy") if word != cfg.a]
    return [cfg.b] if isinstance(cfg.b, str) else [str(each) for each in cfg.b]


def _pair(cfg: DictConfig, other: str, precision: str) -> Pair:
    common = ["evaluator=none", f"steps={cfg.steps}", *overrides(_OWN), f"precision={precision}"]
    one, two = (variant(*common, *_deltas(each)) for each in (cfg.a, other))
    return one, two


def _deltas(chosen: str) -> list[str]:
    """A bare word is a strategy's; else overrides with spaces between them."""
    return [each if "=" in each else f"strategy={each}" for each in str(chosen).split()]


def _certify(cfg: DictConfig, other: str, pairs: Sequence[Pair], output: Path) -> list[Certificate]:
    """One pair of variants in each precision; recorded as one run."""
    first, dataset = pairs[0][0], pairs[0][0].source.load()
    name = f"{cfg.a} against {other}"
    evidence = output / name.replace("=", "-").replace(" ", "_")
    evidence.mkdir(exist_ok=True)
    with first.tracker as tracker:
        sides = {"a": str(cfg.a), "b": other}
        tracker.write(described(first, dataset, name, parameters=sides, tags={"ganfreeze.kind": "equivalence"}))
        found = []
        for pair in pairs:
            precision = pair[0].settings.precision
            tolerance = cfg.tolerance or certificate.TOLERANCES[precision]
            differences = []
            for step, each in _lockstep(pair, dataset):
                worst = max(each, key=lambda difference: difference.relative)
                figures = {"absolute": worst.absolute, "relative": worst.relative, "ulp": worst.ulp}
                tracker.write(events.Scalars(step, {f"{precision}/{key}": value for key, value in figures.items()}))
                differences += each
            found.append(Certificate(str(cfg.a), other, precision, tolerance, differences))
        (evidence / "differences.csv").write_text(render.table(found))
        (evidence / "certificate.md").write_text(render.markdown([found]))
        render.plot([found], evidence / "divergence.png", name)
        tracker.write(events.Certified({"equivalence": certificate.verdict(found)}, evidence))
    return found


def _lockstep(pair: Pair, dataset: Dataset) -> Iterator[tuple[int, list[Difference]]]:
    """Train both a step at a time, and compare all variables of both networks after each."""
    both = [(each, ready(each, dataset)) for each in pair]
    called = certificate.names(both[0][1].game.networks)
    for step in range(pair[0].settings.steps):
        reached = [_after(chosen, assembled, step) for chosen, assembled in both]
        yield step + 1, certificate.differences(step + 1, called, *reached)


def _after(chosen: Variant, assembled: Assembled, step: int) -> list[Any]:
    tf.config.run_functions_eagerly(chosen.settings.eager)
    assembled.strategy.advance(assembled.streams, step, 1)
    return values([*assembled.game.networks.generator.weights, *assembled.game.networks.discriminator.weights])
