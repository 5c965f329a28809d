"""What `publish` and `watch` show while they run: changes as lines, and one line of numbers on a terminal.

A person is told on standard error; with --json standard output gets one object a line instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import json as json_
import shutil
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from ..peer.errors import InvalidStateError
from ..whip.client import Client
from .style import Style, is_terminal, plain
from .terminal import duration

EVERY_S = 1.0
_COLOURS = {"connecting": "dim", "connected": "green", "reconnecting": "yellow", "closed": "dim", "failed": "red"}


@dataclass(frozen=True, slots=True)
class Flow:
    """One stream in the last second. `lost`: share of its packets, as the receiver counts."""

    kind: str
    codec: str
    kbps: float
    fps: float | None = None
    width: int = 0
    height: int = 0
    lost: float | None = None
    rtt_ms: float | None = None

    def as_text(self) -> str:
        words = [self.codec]
        if self.width:
            words.append(f"{self.width}x{self.height}")
        if self.fps is not None:
            words.append(f"{self.fps:.0f}/s")
        words.append(f"{self.kbps:.0f} kb/s")
        if self.rtt_ms is not None:
            words.append(f"rtt {self.rtt_ms:.0f} ms")
        if self.lost:
            words.append(f"{self.lost:.1%} lost")
        return " ".join(words)


class FlowMeter:
    """Flows between two looks at a report of statistics."""

    def __init__(self) -> None:
        self._before: dict[str, Any] = {}
        self._at = 0.0

    def look(self, report: dict[str, Any], now: float) -> list[Flow]:
        before, span = self._before, now - self._at
        self._before, self._at = dict(report), now
        found = []
        for id, row in sorted(report.items(), key=lambda item: item[1]["type"] + str(item[1].get("kind"))):
            if row["type"] in ("outbound-rtp", "inbound-rtp") and id in before and span > 0:
                found.append(self._flow(report, row, before[id], span))
        return found

    @staticmethod
    def _flow(report: dict[str, Any], row: Any, was: Any, span: float) -> Flow:
        sends = row["type"] == "outbound-rtp"
        count = "bytesSent" if sends else "bytesReceived"
        frames = "framesSent" if sends else "framesReceived"
        remote = report.get(row.get("remoteId", ""), {})
        lost = remote.get("fractionLost") if sends else _share(row, was)
        return Flow(
            kind=row["kind"],
            codec=report[row["codecId"]]["mimeType"].partition("/")[2],
            kbps=8e-3 * (row[count] - was[count]) / span,
            fps=(row[frames] - was[frames]) / span if frames in row and frames in was else None,
            width=row.get("frameWidth", 0),
            height=row.get("frameHeight", 0),
            lost=lost,
            rtt_ms=1e3 * remote["roundTripTime"] if "roundTripTime" in remote else None,
        )


def _share(row: Any, was: Any) -> float:
    lost, came = row["packetsLost"] - was["packetsLost"], row["packetsReceived"] - was["packetsReceived"]
    return max(0.0, lost / (lost + came)) if lost + came > 0 else 0.0


class Progress:
    """`run` as a task beside the client. `more`: words of one's own for the line of numbers."""

    def __init__(self, client: Client, *, json: bool, quiet: bool, more: Any = None) -> None:
        self._client = client
        self._json, self._quiet, self._more = json, quiet, more or (lambda: "")
        self._out = sys.stdout if json else sys.stderr
        self._live = not json and not quiet and is_terminal(sys.stderr)
        self._style = Style.of(sys.stderr)
        self._shown = ""
        self._line = ""
        self._since = time.monotonic()
        client.on("statechange", self._on_state)

    def _on_state(self) -> None:
        state, failure = self._client.state, self._client.failure
        if state != self._shown:
            self._shown = state
            self.say(state, f"{self._client.url}{f': {failure}' if state == 'reconnecting' and failure else ''}")

    def say(self, event: str, text: str = "", **fields: Any) -> None:
        """A line, unless it is to be quiet."""
        if self._quiet:
            return
        if self._json:
            moment = datetime.now(UTC).isoformat(timespec="milliseconds")
            self._write(json_.dumps({"event": event, "time": moment, "text": text, **fields}) + "\n")
            return
        self._clear()
        word = self._style.paint(_COLOURS.get(event, "dim"), f"{event:<12}")
        self._write(f"{time.strftime('%H:%M:%S')} {word} {plain(text, 300)}\n")

    async def run(self) -> None:
        """Shows numbers until it is cancelled."""
        meter = FlowMeter()
        while True:
            pc = self._client.pc
            if pc is not None and self._client.state == "connected":
                with contextlib.suppress(InvalidStateError):
                    self._show(meter.look(await pc.getStats(), time.monotonic()))
            await asyncio.sleep(EVERY_S)

    def _show(self, flows: list[Flow]) -> None:
        if not flows:
            return
        if self._json and not self._quiet:
            rows = [{name: value for name, value in asdict(flow).items() if value is not None} for flow in flows]
            self.say("stats", "", flows=rows)
        if self._live:
            words = [duration(time.monotonic() - self._since), *(flow.as_text() for flow in flows), self._more()]
            width = max(20, shutil.get_terminal_size().columns - 1)
            self._line = "  ".join(word for word in words if word)[:width]
            self._write(f"\r{self._line}\x1b[K")

    def close(self) -> None:
        """The line of numbers goes."""
        self._clear()

    def _clear(self) -> None:
        if self._line:
            self._write("\r\x1b[K")
            self._line = ""

    def _write(self, text: str) -> None:
        try:
            self._out.write(text)
            self._out.flush()
        except (OSError, ValueError):
            pass  # nobody reads it any more
