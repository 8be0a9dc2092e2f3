"""The protocol that a figure was measured by, and whether two figures may stand side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

from ganfreeze.errors import BadInput

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


def differences(cards: Sequence[Card]) -> Mapping[str, Sequence[Any]]:
    """The fields that not all cards agree in, with all the values that they have, in the order they come."""
    found = {}
    for field in dict.fromkeys(field for card in cards for field in card):
        values = [card.get(field, "not said") for card in cards]
        if any(value != values[0] for value in values):
            found[field] = [value for number, value in enumerate(values) if value not in values[:number]]
    return found


def refusal(figure: str, cards: Sequence[Card]) -> str:
    """Why these figures must not be compared, in a sentence that names the fields; "" where they may be."""
    apart = differences(cards)
    if not apart:
        return ""
    fields = "; ".join(f"{field}: {', '.join(map(_shown, values))}" for field, values in apart.items())
    return f"{figure} is not compared, for it was not measured alike: {fields}"


def require_same(figure: str, cards: Sequence[Card]) -> None:
    """Raise BadInput where these figures must not stand side by side."""
    if refused := refusal(figure, cards):
        raise BadInput(refused)


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) < 32 else f"{text[:12]}..."
