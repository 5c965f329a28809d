"""Colours and other terminal habits: a few ANSI codes, off where nobody sees them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TextIO

_CODES = {"dim": 2, "red": 31, "green": 32, "yellow": 33, "cyan": 36}


def is_terminal(stream: TextIO) -> bool:
    """Whether a person looks at this stream, on a terminal that knows escape codes."""
    try:
        return stream.isatty() and os.environ.get("TERM", "") != "dumb"
    except ValueError:  # closed
        return False


def plain(text: str, limit: int = 200) -> str:
    """Text of others for a terminal or a log: ASCII without control characters (which could move the cursor), cut short."""
    text = "".join(c if c.isascii() and c.isprintable() else "?" for c in text)
    return text if len(text) <= limit else text[: limit - 2] + ".."


@dataclass(frozen=True, slots=True)
class Style:
    """Paints text, or leaves it as it is."""

    colours: bool

    @classmethod
    def of(cls, stream: TextIO) -> Style:
        """Colours on a terminal unless NO_COLOR is set (no-color.org)."""
        return cls(is_terminal(stream) and not os.environ.get("NO_COLOR"))

    def paint(self, colour: str, text: str) -> str:
        return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if self.colours else text

    def bold(self, text: str) -> str:
        return f"\x1b[1m{text}\x1b[0m" if self.colours else text
