"""Choose the fastest way to run the steps: each candidate trains copies of the networks for a moment, and is timed."""

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
_SECONDS, _ROUNDS = 0.2, 3  # one round of a candidate takes about this long; each has this many rounds
_HOPELESS = 0.3  # of the best rate of the first steps: a slower candidate has no rounds


class Choice(NamedTuple):
    """How steps are run, and why, in a sentence."""

    execution: Execution
    why: str


def choose(candidates: Sequence[Execution], make: Callable[[Execution], tuple[Strategy, Streams]]) -> Choice:
    """Return the fastest of several candidates. `make` builds a strategy for each, with networks of its own.

    The candidates take turns, so other work of the machine slows all of them. The best round of each one counts. A
    candidate that TensorFlow cannot run is left out, for example because XLA cannot compile a layer.

    Raises:
        tf.errors.OpError: none of them runs.
    """
    ready: dict[Execution, tuple[Strategy, Streams]] = {}
    rates: dict[Execution, float] = {}
    failures: dict[Execution, Exception] = {}
    for candidate in candidates:
        try:
            strategy, streams = ready[candidate] = make(candidate)
            few = min(2, candidate.fused_steps)  # a compiled loop takes two steps at a time
            strategy.advance(streams, 0, few)  # this traces and compiles, which is not timed
            rates[candidate] = _rate(strategy, streams, few)
        except tf.errors.OpError as error:
            failures[candidate] = error
    if not rates:
        raise next(iter(failures.values()))
    hopeful = [candidate for candidate, rate in rates.items() if rate > _HOPELESS * max(rates.values())]
    calls = {candidate: max(1, round(_SECONDS * rates[candidate] / candidate.fused_steps)) for candidate in hopeful}
    for _ in range(_ROUNDS):
        for candidate in hopeful:
            rate = _rate(*ready[candidate], calls[candidate] * candidate.fused_steps)
            rates[candidate] = max(rates[candidate], rate)
    results = [f"{_name(candidate)} {rate:.3g}" for candidate, rate in rates.items()]
    results += [f"{_name(candidate)} does not run" for candidate in failures]
    return Choice(max(rates, key=lambda candidate: rates[candidate]), f"steps/s measured: {', '.join(results)}")


def cached_choice(folder: Path, key: Mapping[str, Any], measure: Callable[[], Choice]) -> Choice:
    """Return the choice that `folder` holds for this key. If there is none, return what `measure` finds, and write it.

    So a run that is repeated is run in the same way, to the last bit, whatever else the machine does.
    """
    identity = json.dumps(key, sort_keys=True, default=str)
    file = folder / f"{sha256(identity.encode()).hexdigest()[:32]}.json"
    try:
        jit, fused_steps, why = json.loads(file.read_text())
        return Choice(Execution(jit, fused_steps), f"{why} (kept in {file})")
    except (OSError, ValueError):
        choice = measure()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps([*choice.execution, choice.why]))
    except OSError as error:
        _log.warning("%s cannot be written, so the choice will be measured again next time: %s", file, error)
    return choice


def _rate(strategy: Strategy, streams: Streams, steps: int) -> float:
    """Return steps per second."""
    began = perf_counter()
    strategy.advance(streams, 0, steps)
    return steps / (perf_counter() - began)


def _name(execution: Execution) -> str:
    return f"jit={'on' if execution.jit else 'off'} fused_steps={execution.fused_steps}"
