"""The relay's present rates, from two looks at its counters."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ..stats import EngineStats


@dataclass(frozen=True, slots=True)
class Rates:
    """Packets are datagrams. Losses are shares of 1: `loss_in` of publishers' packets after repair, `loss_out` as viewers
    report. CPU in shares of one core: of the engine's thread, and of the whole process with it."""

    in_pps: float
    in_bps: float
    out_pps: float
    out_bps: float
    loss_in: float
    loss_out: float
    cpu_engine: float
    cpu_process: float
    kernel_drops: int

    def as_text(self) -> str:
        text = (
            f"in {count(self.in_pps)}p/s {count(self.in_bps)}b/s  out {count(self.out_pps)}p/s {count(self.out_bps)}b/s  "
            f"loss in {share(self.loss_in)} out {share(self.loss_out)}  "
            f"cpu {share(self.cpu_engine)} (process {share(self.cpu_process)})"
        )
        return text + (f"  kernel dropped {self.kernel_drops}" if self.kernel_drops else "")

    def as_short_text(self) -> str:
        """For 80 columns: the larger loss, the engine's CPU."""
        pps_in, bps_in, pps_out, bps_out = map(tight, (self.in_pps, self.in_bps, self.out_pps, self.out_bps))
        loss = max(self.loss_in, self.loss_out)
        return f"in {pps_in}p/s {bps_in}b/s out {pps_out}p/s {bps_out}b/s loss {loss:.1%} cpu {self.cpu_engine:.0%}"


class Meter:
    """Keeps the last look, so that the next one gives rates."""

    def __init__(self) -> None:
        self._last: EngineStats | None = None
        self._process = 0.0

    def look(self, stats: EngineStats) -> Rates | None:
        """Rates since the last look; None at the first one."""
        last, self._last = self._last, stats
        process = time.process_time()
        used, self._process = process - self._process, process
        span = stats.hub["now"] - last.hub["now"] if last else 0.0
        if last is None or span <= 0:
            return None
        now, then = stats.hub, last.hub
        return Rates(
            in_pps=(now["in_packets"] - then["in_packets"]) / span,
            in_bps=(now["in_bytes"] - then["in_bytes"]) * 8 / span,
            out_pps=(now["out_packets"] - then["out_packets"]) / span,
            out_bps=(now["out_bytes"] - then["out_bytes"]) * 8 / span,
            loss_in=_loss_in(last, stats),
            loss_out=_loss_out(last, stats),
            cpu_engine=(stats.loop.cpu_seconds - last.loop.cpu_seconds) / span,
            cpu_process=used / span,
            kernel_drops=stats.loop.kernel_drops - last.loop.kernel_drops,
        )


def _loss_in(last: EngineStats, stats: EngineStats) -> float:
    lost = came = 0
    for id, row in stats.receivers.items():
        before = last.receivers.get(id)
        if before is not None and before.ssrc == row.ssrc:
            lost += row.lost - before.lost
            came += row.packets - before.packets
    lost = max(0, lost)  # late packets take losses back
    return lost / (lost + came) if lost + came > 0 else 0.0


def _loss_out(last: EngineStats, stats: EngineStats) -> float:
    lost = sent = 0.0
    for id, row in stats.senders.items():
        packets = row.packets - (last.senders[id].packets if id in last.senders else 0)
        lost += packets * row.fraction_lost
        sent += packets
    return lost / sent if sent > 0 else 0.0


def count(value: float) -> str:
    """Like "950", "8.9 k", "77.3 M": the unit follows."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.1f} {unit}"
    return f"{value:.0f} "


def tight(value: float) -> str:
    """The same in three digits and without a blank: "597k"."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.{1 if value < 100 * limit else 0}f}{unit}"
    return f"{value:.0f}"


def share(value: float) -> str:
    """A share of 1 in per cent."""
    return f"{value * 100:.1f} %"
