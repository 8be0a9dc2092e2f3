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


def of(card: Card, figure: str) -> Card:
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


def refusal(name: str, cards: Sequence[Card]) -> str:
    """Why figures of this name must not stand side by side, in a sentence that names the fields; "" where they may.

    The name is whole, "classifier/fid", and the cards are those of what it begins with.
    """
    figure = name.rpartition("/")[2]
    apart = differences([of(card, figure) for card in cards])
    if not apart:
        return ""
    fields = "; ".join(f"{field}: {', '.join(map(_shown, values))}" for field, values in apart.items())
    return f"{name} is not compared, for it was not measured alike: {fields}"


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) < 32 else f"{text[:12]}..."
