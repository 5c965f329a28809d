"""Sound in place of what was lost, for codecs that have no way of their own: what was heard last goes on, and fades."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

HELD_MS, COMPARED_MS = 50, 20  # what is kept, and of it what is compared with what was before
SHORTEST_MS, LONGEST_MS = 2.5, 15  # periods of voices, 66 to 400 Hz
FULL_MS, FADED_MS = 10, 60  # as loud as it was, and nothing any more


class Concealer:
    """One channel. The last period is repeated, much as ITU-T G.711 Appendix I does it; of what has none it is the last bit of
    noise."""

    def __init__(self, rate: int) -> None:
        self._ms = rate / 1000
        self._held = np.zeros(int(HELD_MS * self._ms), np.float32)
        self._period: npt.NDArray[np.float32] | None = None
        self._made = 0

    def heard(self, samples: npt.NDArray[np.int16]) -> None:
        """What came, in order."""
        self._held = np.concatenate((self._held, samples.astype(np.float32)))[-len(self._held) :]
        self._period, self._made = None, 0

    def more(self, count: int) -> npt.NDArray[np.int16]:
        """So many samples that go on from there."""
        if self._period is None:
            self._period = self._held[-self._lag() :]
        at = np.arange(self._made, self._made + count)
        self._made += count
        gain = np.clip((FADED_MS - at / self._ms) / (FADED_MS - FULL_MS), 0, 1)
        made: npt.NDArray[np.int16] = (self._period[at % len(self._period)] * gain).astype(np.int16)
        return made

    def _lag(self) -> int:
        """How far back that lies which is most like the end."""
        size = int(COMPARED_MS * self._ms)
        end = self._held[-size:]
        lags = range(int(SHORTEST_MS * self._ms), int(LONGEST_MS * self._ms) + 1)
        before = np.stack([self._held[-size - lag : -lag] for lag in lags])
        alike = before @ end / (np.linalg.norm(before, axis=1) + 1)
        return lags[int(alike.argmax())]
