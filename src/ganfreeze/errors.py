"""What can go wrong by the user's hand."""


class BadInput(ValueError):
    """A mistake of the user's: the message says what was wrong, where it was set, and what is allowed."""


class Diverged(FloatingPointError):
    """A loss or a sample is no number any more: nothing that follows would mean anything."""


class Refused(BadInput):
    """A part cannot honour what else was chosen; the message lists all that it can."""
