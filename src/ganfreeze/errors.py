"""The errors that end a run or a program."""


class BadInput(ValueError):
    """A mistake of the user. The message says what is wrong, where it was set, and what is allowed."""


class Diverged(FloatingPointError):
    """A loss or a sample is NaN or infinite, so the results that follow would be meaningless.

    `steps` are the numbers of the first and the last step in which it became so, None if it was no step.
    """

    def __init__(self, message: str, steps: tuple[int, int] | None = None) -> None:
        super().__init__(message)
        self.steps = steps


class Refused(BadInput):
    """Two choices that do not go together. The message lists what the refusing part goes with."""


def one_line(text: object, most: int = 200) -> str:
    """Return the text of an error, or another text that a file may have chosen, in one line of `most` characters.

    What cannot be printed becomes a space. An error without a text has the name of its class.
    """
    printable = "".join(character if character.isprintable() else " " for character in str(text))
    line = " ".join(printable.split()) or type(text).__name__
    return line if len(line) <= most else f"{line[: most - 3]}..."


def interruption(error: BaseException | None) -> KeyboardInterrupt | None:
    """Return what Ctrl-C or SIGTERM raised: this error or the cause of it; None if there was no interruption.

    An extension module that is interrupted may raise a SystemError whose cause is the KeyboardInterrupt.
    """
    while isinstance(error, Exception):
        error = error.__cause__
    return error if isinstance(error, KeyboardInterrupt) else None
