"""The protocol that a metric was measured by, and whether two metrics may be compared."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

Card = Mapping[str, Any]

# The fields that every card has:
FIELDS = (
    "dataset",  # its name, and the first digits of the SHA-256 of its content
    "split",  # the real images that samples are compared with
    "samples",  # the number of samples
    "seeds",  # of the samples' latent vectors; with several seeds the metric is a mean over them
    "extractor",  # of the features
    "weights",  # the SHA-256 of the extractor's weights
    "resize",  # the way in which images come to the extractor's size
    "quantisation",  # the rounding of samples before they are evaluated
    "ema",  # "none", or the decay of the generator's average
)

# Under this key a card has the fields that concern one metric only: {"kid": {"samples": 500}}. The cards of recorded
# runs have it, so it cannot change.
BY_METRIC = "figures"

# Among the fields of one metric, this one says why the metric is not measured on this data set.
LEFT_OUT = "left_out"

# Under this key a card has the same metrics of held-out real images, their number as `samples`, and the accuracy of the
# extractor, if it is a classifier of the data set. This is no part of the protocol.
HELD_OUT = "held_out"

# Ends the name of an evaluator of few samples: "classifier_glance" of "classifier_glance/fid".
GLANCE = "_glance"


def is_glance(metric: str) -> bool:
    """Return whether a metric, by its full name, was measured with few samples in passing."""
    return GLANCE in metric.rpartition("/")[0]


def is_added(metric: str) -> bool:
    """Return whether a metric, by its full name, was added to a finished run: "classifier-1000x5-ab12cd/fid"."""
    return re.search(r"-\d+x\d+-[0-9a-f]{6}/", metric) is not None


def for_metric(card: Card, metric: str) -> Card:
    """Return the protocol of one metric, such as "fid": the card's common fields, and those of this metric only."""
    common = {field: value for field, value in card.items() if field not in (BY_METRIC, HELD_OUT)}
    return {**common, **card.get(BY_METRIC, {}).get(metric.removesuffix("_spread"), {})}


def differences(cards: Sequence[Card]) -> Mapping[str, Sequence[Any]]:
    """Return the fields in which the cards differ, each with all its values, in the order in which they come."""
    differing = {}
    for field in dict.fromkeys(field for card in cards for field in card):
        values = [card.get(field, "not said") for card in cards]
        if any(value != values[0] for value in values):
            differing[field] = [value for number, value in enumerate(values) if value not in values[:number]]
    return differing


def incomparable(cards: Mapping[str, Sequence[Card]]) -> Mapping[str, str]:
    """Return the metrics that must not be compared, each with the fields in which its cards differ, in words.

    `cards` has each metric by its full name, "classifier/fid", with the cards of "classifier" of all runs that have it.
    """
    refused = {}
    for name, metric_cards in cards.items():
        if differing := differences([for_metric(card, name.rpartition("/")[2]) for card in metric_cards]):
            fields = [f"{field}: {', '.join(map(_shown, values))}" for field, values in differing.items()]
            refused[name] = "; ".join(fields)
    return refused


def explain(refused: Mapping[str, str]) -> str:
    """Return a line for all metrics that differ in the same fields; `refused` is the result of `incomparable`."""
    lines = []
    for fields in dict.fromkeys(refused.values()):
        names = [name for name in refused if refused[name] == fields]
        lines.append(f"{', '.join(names)}: not comparable: the protocols differ in {fields}\n")
    return "".join(lines)


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) < 32 else f"{text[:12]}..."
