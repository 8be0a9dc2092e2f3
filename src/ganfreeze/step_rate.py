"""How fast training is."""


class StepRate:
    """The mean steps per second of a process.

    The first span traces the graphs. It is left out as soon as there is another.
    """

    def __init__(self) -> None:
        self._steps, self._seconds, self._is_first = 0, 0.0, True

    def after(self, steps: int, seconds: float) -> float:
        """Return the rate after one more span, of `steps` in `seconds`."""
        if not self._is_first:
            self._steps, self._seconds = self._steps + steps, self._seconds + seconds
        self._is_first = False
        return self._steps / self._seconds if self._seconds else steps / seconds
