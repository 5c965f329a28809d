"""The layers of a simulcast (RFC 8853) that a publisher sends: which of them flow, and which is the best of those."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..engine import Receiver

LOOK_S = 0.3
"""How often a publisher's layers are looked at."""
QUIET_S = 1.0
"""A layer that has brought nothing for so long has been switched off by its publisher."""
BETTER = 1.2
"""By so many more bits a second than the best one another layer of its size is better, since a still picture costs little."""
SMOOTH = 0.3


class Layers:
    """By `rid`, in the publisher's order, which says nothing of their quality (RFC 8853 §5.2): the size of the pictures does,
    and bits a second where that is the same or not known."""

    def __init__(self, receivers: Mapping[str, Receiver]) -> None:
        self.receivers = dict(receivers)
        self.best = next(iter(self.receivers))
        self._bytes: dict[str, int] = {}
        self._rates: dict[str, float] = {}
        self._areas: dict[str, int] = {}
        self._flowing: set[str] = set()
        self._at: float | None = None

    def choose(self, rid: str = "") -> Receiver:
        """The one of this name, the best one where there is none."""
        return self.receivers.get(rid) or self.receivers[self.best]

    @property
    def flowing(self) -> list[str]:
        """Those that come now."""
        return [rid for rid in self.receivers if rid in self._flowing]

    def look(self, rows: Mapping[int, Mapping[str, Any]], now: float) -> bool:
        """Takes the engine's counters at `now` (s): whether another layer is the best one from now on."""
        passed = now - self._at if self._at is not None else 0.0
        self._at = now
        for rid, receiver in self.receivers.items():
            row = rows.get(receiver.id)
            if row is None or not row["last"] or now - row["last"] / 1e6 > QUIET_S:
                self._flowing.discard(rid)
                self._rates.pop(rid, None)
                self._bytes.pop(rid, None)
                continue
            self._flowing.add(rid)
            if rid in self._bytes and passed > 0:
                rate = (row["bytes"] - self._bytes[rid]) / passed
                had = self._rates.get(rid, rate)
                self._rates[rid] = had + SMOOTH * (rate - had)
            self._bytes[rid] = row["bytes"]
            self._areas[rid] = row["width"] * row["height"]
        if not self._flowing:
            return False
        before = self.best
        if before not in self._flowing or any(self._is_better(rid, before) for rid in self._flowing):
            self.best = max(self._flowing, key=lambda rid: (self._areas[rid], self._rates.get(rid, 0.0)))
        return self.best != before

    def _is_better(self, rid: str, than: str) -> bool:
        mine, other = self._areas[rid], self._areas[than]
        return mine > other or (mine == other and self._rates.get(rid, 0.0) > BETTER * self._rates.get(than, 0.0))
