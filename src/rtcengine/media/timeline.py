"""Times that go on, whatever the times of frames do."""

from __future__ import annotations

BACK, AHEAD = 1.0, 10.0
"""Seconds that frames may go back (pictures that come in the order of their coding) and jump ahead."""


class Timeline:
    """Gives frames' times a common beginning. After `cut`, or where they jump, they go on by the clock from the last one."""

    def __init__(self, clock_rate: int, start: int = 0) -> None:
        self.clock_rate = clock_rate
        self._start = start
        self._shift = 0
        self._last: int | None = None
        self._wall = 0.0
        self._cut = False

    def cut(self) -> None:
        """The next frame is another source's."""
        self._cut = True

    def at(self, time: int | None, now: float, *, back: bool = False) -> int:
        """Of a frame's time in units of the clock rate, None for one without time. `now` is time.monotonic(). `back`: frames
        may come out of order; else each time is later than the one before."""
        if self._last is None:
            self._cut = time is None
            self._shift = self._start - (time or 0)
            self._last, self._wall = self._start, now
            return self._start
        ahead = time + self._shift - self._last if time is not None else 0
        least = -BACK * self.clock_rate if back else 1
        if time is None or self._cut or not least <= ahead <= AHEAD * self.clock_rate:
            ahead = max(1, round((now - self._wall) * self.clock_rate))
            if time is not None:
                self._shift = self._last + ahead - time
                self._cut = False
        out = self._last + ahead
        if ahead > 0:
            self._last, self._wall = out, now
        return out
