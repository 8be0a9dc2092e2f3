"""The protocol that a figure was measured by, and whether two figures may stand side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

Card = Mapping[str, Any]

# What every card says:
FIELDS = (
    "dataset",  # its name, and the first digits of the SHA-256 of its content
    "split",  # that samples are compared with
    "samples",  # how many
    "seeds",  # that the samples' latent vectors are drawn with; of several the figure is the mean
    "extractor",  # of the features
    "weights",  # the SHA-256 of the extractor's
    "resize",  # how images come to the extractor's size
    "quantisation",  # what samples are rounded to before they are looked at
    "ema",  # "none", or the decay of the generator's average
)


def for_metric(card: Card, figure: str) -> Card:
    """The protocol of one figure, "fid": what the card says of all, and of this one under "figures"."""
    common = {field: value for field, value in card.items() if field != "figures"}
    return {**common, **card.get("figures", {}).get(figure.removesuffix("_spread"), {})}


def differences(cards: Sequence[Card]) -> Mapping[str, Sequence[Any]]:
    """The fields that not all cards agree in, with all the values that they have, in the order they come."""
    found = {}
    for field in dict.fromkeys(field for card in cards for field in card):
        values = [card.get(field, "not said") for card in cards]
        if any(value != values[0] for value in values):
            found[field] = [value for number, value in enumerate(values) if value not in values[:number]]
    return found


def incomparable(cards: Mapping[str, Sequence[Card]]) -> Mapping[str, str]:
    """Of figures by name ("classifier/fid"), with the cards of what their names begin with: those that must not stand
    side by side, and the fields that they differ in, in words."""
    found = {}
    for name, each in cards.items():
        if apart := differences([for_metric(card, name.rpartition("/")[2]) for card in each]):
            found[name] = "; ".join(f"{field}: {', '.join(map(_shown, values))}" for field, values in apart.items())
    return found


def explain(refused: Mapping[str, str]) -> str:
    """What `refusals` found, a line for all figures that differ in the same."""
    lines = []
    for fields in dict.fromkeys(refused.values()):
        names = [name for name in refused if refused[name] == fields]
        lines.append(f"{', '.join(names)}: not compared, for not measured alike: {fields}\n")
    return "".join(lines)


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) < 32 else f"{text[:12]}..."
