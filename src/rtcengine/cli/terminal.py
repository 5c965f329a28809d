"""What the relay shows while it runs: how it started, who joins and leaves, and one line of numbers.

A person is told on standard output when that is a terminal, else on standard error: so a program that reads standard
output gets one line, the one that says ready. With --json it gets everything, one object a line.
"""

from __future__ import annotations

import asyncio
import json as json_
import logging
import re
import shutil
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, TextIO

from ..engine import EngineError
from ..relay.relay import Relay
from ..relay.server import Server
from ..relay.session import PUBLISH, Session
from . import banner
from .rates import Meter, Rates
from .style import Style, is_terminal, plain

LIVE_S = 1.0
"""Between two numbers on a terminal."""
LOG_S = 10.0
"""Between two numbers elsewhere."""
MEDIA_WAIT_S = 3.0
"""A session that is connected this long is announced even if no media has flowed yet."""


@dataclass(slots=True)
class Shown:
    """What has been said of a session. Sessions are numbered here, for their own ids are secrets."""

    number: int
    announced: bool = False
    with_media: bool = False
    state: str = "new"
    remote: str = ""


class Terminal:
    """`ready` once, then `refresh` as a task, `closing` when the relay begins to stop. `quiet`: nothing but the line that
    says ready."""

    def __init__(self, relay: Relay, server: Server, *, json: bool, quiet: bool) -> None:
        self._relay = relay
        self._server = server
        self._json = json
        self._quiet = quiet
        self._out = sys.stdout
        self._person = sys.stdout if is_terminal(sys.stdout) else sys.stderr
        self._live = not json and not quiet and is_terminal(sys.stdout)
        self._style = Style.of(self._person)
        self._shown: dict[Session, Shown] = {}
        self._joined = {"publish": 0, "watch": 0}
        self._numbers = Meter()
        self._status = ""
        self._idle = True
        self._started = time.monotonic()
        self._log_handlers: list[logging.Handler] = []

    def ready(self, demo_room: str | None) -> None:
        """The banner and the line that says ready; from now on joins and leaves are shown."""
        facts = banner.collect(self._relay, self._server, demo_room)
        if self._json:
            self._write_json("ready", **facts.as_event())
        else:
            if not self._quiet:
                self._write(self._person, "\n".join(banner.as_lines(facts, self._style)) + "\n")
            self._write(self._out, f"ready {facts.url}\n")
        if self._quiet:
            return
        self._relay.listen(self._on_session)
        if self._live:  # a log record must not be written behind the line of numbers
            self._log_handlers = logging.getLogger().handlers[:]
            for handler in self._log_handlers:
                handler.addFilter(self._clear_status)

    async def refresh(self) -> None:
        """Shows numbers until it is cancelled or the engine is closed."""
        if self._quiet:
            return
        every = LIVE_S if self._live else LOG_S
        due = 0.0
        while True:
            now = time.monotonic()
            for session, shown in list(self._shown.items()):
                self._announce_late(session, shown)
            if now >= due:
                try:
                    stats = await self._relay.stats()
                except EngineError:
                    return
                rates = self._numbers.look(stats)
                if rates is not None:
                    self._show_rates(rates)
                # Thousands of streams take long to look at: at most a twentieth of the time goes into that.
                due = now + max(every, 20 * (time.monotonic() - now))
            await asyncio.sleep(LIVE_S)

    def closing(self) -> None:
        """The relay begins to stop: a summary, no more numbers."""
        self._clear_status()
        for handler in self._log_handlers:
            handler.removeFilter(self._clear_status)
        self._live = False
        seconds = time.monotonic() - self._started
        publishers, viewers = self._joined["publish"], self._joined["watch"]
        text = f"closing: up {duration(seconds)}, {publishers} publisher(s) and {viewers} viewer(s) came"
        self._emit("closing", text, seconds=round(seconds, 3), publishers=publishers, viewers=viewers)

    def _on_session(self, what: str, session: Session) -> None:
        if what == "join":
            self._joined[session.role] += 1
            self._shown[session] = Shown(sum(self._joined.values()))
            return
        shown = self._shown.get(session)
        if shown is None:
            return
        if what == "leave":
            del self._shown[session]
            self._say_leave(session, shown)
        else:
            self._say_change(session, shown)

    def _say_change(self, session: Session, shown: Shown) -> None:
        transport = session.transport
        if transport is None or session.state in ("new", "checked"):
            return
        before, shown.state = shown.state, session.state
        if not shown.with_media and transport.times.first_media is not None:
            again, shown.announced, shown.with_media = shown.announced, True, True
            self._say_join(session, shown, "media" if again else "join")
        elif shown.announced and session.state == "stalled" != before:
            self._say(session, shown, "stalled", "yellow", "nothing heard for 3 s")
        elif shown.announced and before == "stalled" != session.state:
            self._say(session, shown, "back", "green", "heard again")
        remote = banner.hostport(transport.remote) if transport.remote else ""
        if shown.announced and shown.remote and remote != shown.remote:
            self._say(session, shown, "moved", "yellow", f"udp {remote}, was {shown.remote}", remote=remote)
        shown.remote = remote if shown.announced else ""

    def _announce_late(self, session: Session, shown: Shown) -> None:
        connected = times_ms(session)["dtls"]
        if shown.announced or connected is None:
            return
        if time.monotonic() - session.created - connected / 1000 >= MEDIA_WAIT_S:
            shown.announced = True
            self._say_join(session, shown, "join")

    def _say_join(self, session: Session, shown: Shown, event: str) -> None:
        times = times_ms(session)
        transport = session.transport
        remote = banner.hostport(transport.remote) if transport and transport.remote else ""
        shown.remote = remote
        codecs = [section.codec.name for section in session.sections if section.codec is not None]
        agent = agent_name(session.agent)
        words = [session.describe(), f"udp {remote}", times_text(times)]
        self._say(
            session,
            shown,
            event,
            "green",
            "  ".join([*words, agent] if agent else words),
            codecs=codecs,
            remote=remote,
            protocol="udp",
            srtp=transport.srtp_profile if transport else "",
            agent=agent,
            ms=times,
        )

    def _say_leave(self, session: Session, shown: Shown) -> None:
        times = times_ms(session)
        reason, why = why_left(session, self._relay)
        failed = times["dtls"] is None and reason in ("dtls", "timeout", "consent")
        seconds = time.monotonic() - session.created
        words = [why] if failed else [why, f"after {duration(seconds)}"]
        if not shown.with_media:  # else they were said when it joined
            words.append(times_text(times))
        event, colour = ("failed", "red") if failed else ("leave", "dim")
        self._say(session, shown, event, colour, "  ".join(words), reason=reason, why=why, seconds=round(seconds, 3), ms=times)

    def _say(self, session: Session, shown: Shown, event: str, colour: str, text: str, **fields: Any) -> None:
        role = "publisher" if session.role == PUBLISH else "viewer"
        line = f"{self._style.paint(colour, f'{event:<7}')} {session.room.name} {role} #{shown.number}  {plain(text, 300)}"
        self._emit(event, line, number=shown.number, room=session.room.name, role=session.role, **fields)

    def _show_rates(self, rates: Rates) -> None:
        publishers = sum(session.publishes for session in self._relay.sessions)
        viewers = len(self._relay.sessions) - publishers
        rooms = len(self._relay.rooms)
        line = f"rooms {rooms}  publishers {publishers}  viewers {viewers}  {rates.as_text()}"
        if self._live:
            width = max(20, shutil.get_terminal_size().columns - 1)
            if len(line) > width:
                line = f"rooms {rooms} pubs {publishers} views {viewers} {rates.as_short_text()}"
            self._status = line[:width]
            self._write(self._person, f"\r{self._status}\x1b[K")
            return
        idle = not self._relay.sessions
        if not (idle and self._idle):  # an idle relay fills no log
            numbers = {name: round(value, 4) for name, value in asdict(rates).items()}
            self._emit("stats", line, rooms=rooms, publishers=publishers, viewers=viewers, **numbers)
        self._idle = idle

    def _emit(self, event: str, text: str, **fields: Any) -> None:
        if self._quiet:
            return
        if self._json:
            self._write_json(event, **fields)
            return
        clock = time.strftime("%H:%M:%S")
        status = self._status
        self._clear_status()
        self._write(self._person, f"{clock} {text}\n{status}")
        self._status = status

    def _clear_status(self, record: logging.LogRecord | None = None) -> bool:
        """Takes the line of numbers away until it is shown again. Also a filter for logging, which lets everything pass."""
        if self._status:
            self._write(self._person, "\r\x1b[K")
            self._status = ""
        return True

    def _write_json(self, event: str, **fields: Any) -> None:
        moment = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._write(self._out, json_.dumps({"event": event, "time": moment, **fields}) + "\n")

    def _write(self, stream: TextIO, text: str) -> None:
        try:
            stream.write(text)
            stream.flush()
        except (OSError, ValueError):
            pass  # nobody reads it any more: no reason to stop relaying


def times_ms(session: Session) -> dict[str, int | None]:
    """Milliseconds from the POST to the first passed check, to the end of DTLS and to the first media packet; None for what
    has not happened."""
    times = session.transport.times if session.transport else None
    found: dict[str, int | None] = {"ice": None, "dtls": None, "first_packet": None}
    if times is None or times.added is None:
        return found
    before = max(0.0, times.added - session.created)
    for name, seconds in (("ice", times.checked), ("dtls", times.connected), ("first_packet", times.first_media)):
        if seconds is not None:
            found[name] = round((before + seconds) * 1000)
    return found


def times_text(times: dict[str, int | None]) -> str:
    """Like "ice 41 ms  dtls 63 ms  no first packet yet"."""
    words = []
    for name, ms in times.items():
        name = name.replace("_", " ")
        words.append(f"no {name} yet" if ms is None else f"{name} {ms} ms")
    return "  ".join(words)


def why_left(session: Session, relay: Relay) -> tuple[str, str]:
    """Why a session is over: in one word, and for a person."""
    transport = session.transport
    if transport is None or transport.state != "closed":
        return "ended", "ended by request"  # DELETE, or a new publisher took its place
    reason, error = transport.reason, plain(transport.error)
    if reason == "timeout":
        tried = ", ".join(banner.hostport((host, relay.engine.port)) for host in relay.advertised())
        if transport.times.checked is None:
            text = f"{error or 'no check reached us'} (told to try {tried}). Is UDP {relay.engine.port} open?"
            return reason, text + " Behind NAT give --public-ip"
        return reason, error or "DTLS did not finish"
    texts = {
        "command": "the relay is closing" if relay.draining else "ended by the relay",
        "consent": "lost: no check for 30 s",
        "close_notify": "said goodbye",
        "dtls": f"DTLS failed: {error}",
    }
    return reason, texts.get(reason, error or reason)


_AGENTS = [
    ("OBS", r"OBS[^/]*/([\d.]+)"),
    ("Edge", r"Edg/(\d+)"),
    ("Firefox", r"Firefox/(\d+)"),
    ("Chrome", r"(?:Headless)?Chrom(?:e|ium)/(\d+)"),
    ("Safari", r"Version/([\d.]+).*Safari/"),
    ("FFmpeg", r"Lavf/([\d.]+)"),
    ("aiohttp", r"aiohttp/([\d.]+)"),
]


def agent_name(agent: str) -> str:
    """A short name for what a client calls itself."""
    for name, pattern in _AGENTS:
        if found := re.search(pattern, agent):
            return f"{name} {found[1]}"
    return plain(agent.split()[0] if agent.split() else "", 30)


def duration(seconds: float) -> str:
    """Like "4.2 s", "3 min 12 s", "26 h 05 min"."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes} min {int(seconds % 60):02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"
