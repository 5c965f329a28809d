"""A connection's journal: what it went through and when, for the log and for programs."""

from __future__ import annotations

import itertools
import logging
import sys
import time
from dataclasses import dataclass

log = logging.getLogger("rtcengine.peer")

MAX_MOMENTS = 256
"""Kept of a connection; the oldest go."""

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Moment:
    """`at`: seconds since the connection was made. `transport`: by its number, None for the whole connection."""

    at: float
    what: str
    transport: int | None = None

    def __str__(self) -> str:
        of = f"transport {self.transport}: " if self.transport is not None else ""
        return f"{self.at:.3f} s {of}{self.what}"


class Journal:
    """Of one connection, which logs call by `id`. `failure`: why it failed last, "" when it did not."""

    def __init__(self) -> None:
        self.id = f"pc{next(_numbers)}"
        self.failure = ""
        self._began = time.monotonic()
        self._moments: list[tuple[float, str, int | None]] = []  # what a Moment has

    @property
    def moments(self) -> tuple[Moment, ...]:
        """In the order in which they happened, which may be another than the one in which they were told."""
        return tuple(Moment(*moment) for moment in sorted(self._moments, key=lambda moment: moment[0]))

    def note(self, what: str, *, transport: int | None = None, at: float | None = None, level: int = logging.INFO) -> None:
        """`at`: of time.monotonic(), where that is not now."""
        # Interned: most is said of every connection.
        moment = ((time.monotonic() if at is None else at) - self._began, sys.intern(what), transport)
        self._moments.append(moment)
        if len(self._moments) > MAX_MOMENTS:
            del self._moments[0]
        if log.isEnabledFor(level):
            log.log(level, "%s: %s", self.id, Moment(*moment), extra={"connection": self.id})

    def fail(self, why: str) -> None:
        self.failure = why
        self.note(f"failed: {why}", level=logging.WARNING)
