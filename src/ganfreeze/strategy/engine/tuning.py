"""Which way of running the steps is the fastest: measured for a moment, on copies of what is to be trained."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from ganfreeze.backend import tensorflow as tf
from ganfreeze.data.streams import Streams
from ganfreeze.strategy.base import Execution, Strategy

_log = logging.getLogger(__name__)
_SECONDS, _ROUNDS = 0.2, 3  # a round of a candidate takes about so long
_HOPELESS = 0.3  # of the best rate of the first steps: what is slower is not looked at any longer


class Choice(NamedTuple):
    """How steps are to be run, and why, in a sentence."""

    execution: Execution
    why: str


def choose(candidates: Sequence[Execution], make: Callable[[Execution], tuple[Strategy, Streams]]) -> Choice:
    """The fastest of several candidates, for `make` to build a strategy that nothing else is trained by.

    They are timed by turns, so that what else the machine does slows all of them, and the best of each one's rounds
    counts. A candidate that TensorFlow cannot run, such as a layer that XLA cannot compile, is left out.

    Raises:
        tf.errors.OpError: none of them runs.
    """
    ready: dict[Execution, tuple[Strategy, Streams]] = {}
    rates: dict[Execution, float] = {}
    failures: dict[Execution, Exception] = {}
    for each in candidates:
        try:
            ready[each] = made = make(each)
            few = min(2, each.fused_steps)  # a compiled loop takes two at a time
            made[0].advance(made[1], 0, few)  # traced, and compiled, by then
            rates[each] = _rate(*made, few)
        except tf.errors.OpError as error:
            failures[each] = error
    if not rates:
        raise next(iter(failures.values()))
    hopeful = [each for each, rate in rates.items() if rate > _HOPELESS * max(rates.values())]
    calls = {each: max(1, round(_SECONDS * rates[each] / each.fused_steps)) for each in hopeful}
    for _ in range(_ROUNDS):
        for each in hopeful:
            rates[each] = max(rates[each], _rate(*ready[each], calls[each] * each.fused_steps))
    shown = [f"{_name(each)} {rate:.3g}" for each, rate in rates.items()]
    shown += [f"{_name(each)} does not run" for each in failures]
    return Choice(max(rates, key=lambda each: rates[each]), f"steps/s measured: {', '.join(shown)}")


def cached_choice(folder: Path, key: Mapping[str, Any], find: Callable[[], Choice]) -> Choice:
    """What was found for this key before, kept in `folder`; else what `find` says, which is kept.

    So a run that is repeated is run in the same way, to the last bit, whatever else the machine is doing.
    """
    identity = json.dumps(key, sort_keys=True, default=str)
    file = folder / f"{sha256(identity.encode()).hexdigest()[:32]}.json"
    try:
        jit, fused_steps, why = json.loads(file.read_text())
        return Choice(Execution(jit, fused_steps), f"{why} (kept in {file})")
    except (OSError, ValueError):
        choice = find()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps([*choice.execution, choice.why]))
    except OSError as error:
        _log.warning("%s cannot be kept, and will be measured again: %s", file, error)
    return choice


def _rate(strategy: Strategy, streams: Streams, steps: int) -> float:
    """Steps per second."""
    began = perf_counter()
    strategy.advance(streams, 0, steps)
    return steps / (perf_counter() - began)


def _name(execution: Execution) -> str:
    return f"jit={'on' if execution.jit else 'off'} fused_steps={execution.fused_steps}"
