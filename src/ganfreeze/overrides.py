"""Overrides of a config, `KEY=VALUE`, whose value may be any text, such as the name of a folder."""

import re
import shlex


def quoted(key: str, value: str) -> str:
    """Return the override that sets a key to this text, whatever its characters."""
    doubled = re.sub(r"(\\+)(?='|\Z)", r"\1\1", value)  # Hydra takes other backslashes as they are
    escaped = doubled.replace("'", "\\'")
    return f"{key}='{escaped}'"


def typed(key: str, value: str) -> str:
    """Return the override that sets a key to this text as a user types it in a shell. Plain paths need no quotes."""
    plain = re.fullmatch(r"[A-Za-z_./-][\w./-]*", value, re.ASCII)
    return f"{key}={value}" if plain else shlex.quote(quoted(key, value))
