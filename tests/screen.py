"""Run a command on a pseudo terminal, and read what its screen shows."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import time

_CODE = re.compile(r"\x1b\[(\?)?([0-9;]*)([A-Za-z])")


class Screen:
    """A screen of `width` columns, which only grows. A character past the last column begins a new row, as on a real
    one. Control codes that a live display does not need are errors."""

    def __init__(self, width):
        self.width, self.rows, self.row, self.column, self.cursor_is_shown = width, [""], 0, 0, True

    def write(self, text):
        while text:
            if code := _CODE.match(text):
                self._control(*code.groups())
                text = text[code.end() :]
                continue
            character, text = text[0], text[1:]
            if character == "\r":
                self.column = 0
            elif character == "\n":
                self._down()
            else:
                if self.column == self.width:
                    self.column = 0
                    self._down()
                row = self.rows[self.row].ljust(self.column)
                self.rows[self.row] = row[: self.column] + character + row[self.column + 1 :]
                self.column += 1

    def _down(self):
        self.row += 1
        if self.row == len(self.rows):
            self.rows.append("")

    def _control(self, private, number, letter):
        if letter == "A":
            self.row -= int(number)
        elif (letter, number) == ("K", "2"):
            self.rows[self.row] = ""
        elif private and number == "25":
            self.cursor_is_shown = letter == "h"
        else:
            assert letter == "m", (private, number, letter)


class OnTerminal:
    """A command on a pseudo terminal of `width` columns: `drawn` is what it wrote, `pictures` the rows after each read.

    `keys` are typed when the screen first shows `keys_at`.
    """

    def __init__(self, command, width, *, folder, keys="", keys_at="", timeout=300, **environment):
        main, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        inherited = {key: value for key, value in os.environ.items() if key not in ("TERM", "COLUMNS", "LINES")}
        environment = {"TERM": "xterm", **inherited, **environment}
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            **dict.fromkeys(("stdin", "stdout", "stderr"), terminal),
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # Ctrl-C reaches it
        )
        os.close(terminal)
        self.screen, self.drawn, self.pictures, deadline = Screen(width), "", [], time.monotonic() + timeout
        try:
            while text := _read(main):
                assert time.monotonic() < deadline, self.screen.rows
                self.drawn += text
                self.screen.write(text)
                self.pictures.append(list(self.screen.rows))
                if keys and keys_at in "\n".join(self.screen.rows):
                    os.write(main, keys.encode())
                    keys = ""
        finally:
            if process.poll() is None and time.monotonic() > deadline:
                process.kill()
            os.close(main)
        self.code = process.wait()

    def shows(self, pattern):
        """Return whether a row ever matched this pattern as a whole."""
        return any(re.fullmatch(pattern, row.rstrip()) for picture in self.pictures for row in picture)


def _read(main):
    text = b""
    try:
        text = os.read(main, 1)
        while not _is_whole(text):  # of bytes that belong together, the end may come later
            text += os.read(main, 65536)
    except OSError:  # the command has ended
        pass
    return text.decode(errors="replace")


def _is_whole(text):
    try:
        return not re.search(r"\x1b(\[[?0-9;]*)?$", text.decode())
    except UnicodeDecodeError:
        return False
