"""Notice the signs of a collapse in the events of a run."""

from collections.abc import Iterator

import numpy as np

from ganfreeze import events
from ganfreeze.data.dataset.base import Examples

_LOSS = 1e-4  # a smaller discriminator loss is 0
_VARIANCE = 0.01  # of the variance of real examples: less is near 0


class CollapseDetector:
    """Looks at each event of a run, and notices each sign the first time that it is there. No sign stops the run.

    - `collapse.discriminator_loss`: the mean loss of the discriminator between two logs is 0, so the generator learns
      nothing more from most losses.
    - `collapse.constant_output`: the samples of a picture are all the same.
    - `collapse.sample_variance`: they differ, but their variance, a mean over pixels or coordinates, is under 1% of
      that of `real` examples.
    """

    def __init__(self, real: Examples) -> None:
        self._real, self._seen = _variance(real), set()

    def notice(self, event: events.Event) -> Iterator[events.Noticed]:
        """Yield the signs in this event that were not there before."""
        for step, name, text in self._signs(event):
            if name not in self._seen:
                self._seen.add(name)
                yield events.Noticed(step, {f"collapse.{name}": f"{text} at step {step}"})

    def _signs(self, event: events.Event) -> Iterator[tuple[int, str, str]]:
        match event:
            case events.Measured(step, metrics) if abs(metrics.get("discriminator_loss", 1.0)) < _LOSS:
                yield step, "discriminator_loss", f"{metrics['discriminator_loss']:.2g}"
            case events.Sampled(step, name, examples) if step:
                if (examples == examples[:1]).all():
                    yield step, "constant_output", f"all {name} are the same"
                elif (share := _variance(examples) / self._real if self._real else 1.0) < _VARIANCE:
                    yield step, "sample_variance", f"the variance of {name} is {share:.2g} of that of real data"


def _variance(examples: Examples) -> float:
    return float(examples.astype(np.float64).var(axis=0).mean())
