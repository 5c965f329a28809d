"""How many pictures a second come, told from their times: what an encoder divides its bitrate by."""

from __future__ import annotations

from collections import deque

SEEN = 8  # distances
LONGEST = 0.25  # seconds: a pause is not a frame rate
CHANGED = 1.5  # a distance that is so much longer or shorter, twice in a row, is a new frame rate


class FrameRate:
    """Follows a change within two pictures, and is not led astray by jitter or a pause."""

    def __init__(self, fps: float, clock_rate: int) -> None:
        """`fps` is believed until pictures have come."""
        self._clock_rate = clock_rate
        self._distances: deque[float] = deque([1 / fps], SEEN)
        self._said = True
        self._last: int | None = None

    @property
    def fps(self) -> float:
        return len(self._distances) / sum(self._distances)

    def on(self, time: int) -> float:
        """With a picture of this time; times that do not go on say nothing."""
        last, self._last = self._last, time
        if last is None or time <= last:
            return self.fps
        distance = min(LONGEST, (time - last) / self._clock_rate)
        if self._said:
            self._said = False
            self._distances.clear()
        elif len(self._distances) > 1:
            before, usual = self._distances[-1], 1 / self.fps
            if min(distance, before) > CHANGED * usual or max(distance, before) < usual / CHANGED:
                self._distances.clear()
                self._distances.append(before)
        self._distances.append(distance)
        return self.fps
