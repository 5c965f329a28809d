"""What `rtcengine relay` shows: one line that says ready, joins and leaves with their times, one line of numbers."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from rtcengine.cli import banner, terminal
from rtcengine.cli.rates import Meter, count
from rtcengine.cli.style import Style, plain
from rtcengine.cli.terminal import Terminal, agent_name, duration
from rtcengine.engine import EngineClosed, TransportTimes
from rtcengine.relay import Relay, RelayConfig
from rtcengine.relay.room import Room
from rtcengine.relay.server import Server
from rtcengine.relay.session import Session
from rtcengine.stats import EngineStats

from ..publisher import synthetic
from ..util import until
from .test_metrics import LOOP, RECEIVER, SENDER, hub

BIG = 4 << 20


class FakeRelay:
    """As much of a relay as the terminal looks at."""

    def __init__(self, **settings: Any) -> None:
        self.config = RelayConfig(**settings)
        features = {"crypto": "OpenSSL 3", "recvmmsg": True, "sendmmsg": True, "gso": False}
        self.engine = SimpleNamespace(
            port=8189, addresses=[("0.0.0.0", 8189), ("::", 8189)], features={**features, "rcvbuf": [BIG], "sndbuf": [BIG]}
        )
        self.rooms = {"den": Room("den")}
        self.sessions: list[Session] = []
        self.draining = False
        self.tell: Callable[[str, Session], None] = lambda what, session: None
        self.looks: list[EngineStats] = []

    def listen(self, listener: Callable[[str, Session], None]) -> None:
        self.tell = listener

    def advertised(self) -> list[str]:
        return ["192.0.2.7"]

    async def stats(self) -> EngineStats:
        if not self.looks:
            raise EngineClosed("the engine is closed")
        return self.looks.pop(0)


class FakeTerminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Peer:
    """A session whose transport is driven by hand."""

    def __init__(self, relay: FakeRelay, role: str = "publish", agent: str = "") -> None:
        codec = SimpleNamespace(name="VP8")
        self.transport = SimpleNamespace(state="new", reason="", error="", remote=None, srtp_profile="", times=TransportTimes())
        self.session = Session(
            room=relay.rooms["den"],
            role=role,
            remote="198.51.100.1",
            agent=agent,
            ice=("", ""),
            remote_ufrag="",
            sections=(SimpleNamespace(kind="video", codec=codec),),  # type: ignore[arg-type]
        )
        self.session.transport = self.transport  # type: ignore[assignment]
        self.relay = relay
        relay.sessions.append(self.session)
        relay.tell("join", self.session)

    def change(self, state: str, *seconds: float, remote: tuple[str, int] = ("198.51.100.1", 5000)) -> None:
        """`seconds`: from the POST to check, DTLS, first media, as far as they have happened."""
        if seconds:
            self.transport.times = TransportTimes(self.session.created, *seconds)
        self.transport.remote = remote
        self.transport.state = state
        self.relay.tell("change", self.session)

    def leave(self, state: str = "closed", reason: str = "", error: str = "") -> None:
        self.transport.state, self.transport.reason, self.transport.error = state, reason, error
        self.relay.sessions.remove(self.session)
        self.relay.tell("leave", self.session)


SERVER = SimpleNamespace(port=8889, urls=lambda: ["http://127.0.0.1:8889/"])


def made(relay: FakeRelay, *, json: bool = False, quiet: bool = False) -> Terminal:
    shown = Terminal(relay, SERVER, json=json, quiet=quiet)  # type: ignore[arg-type]
    shown.ready("demo")
    return shown


@pytest.fixture
def no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")


def test_a_program_reads_one_line_and_a_person_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    relay = FakeRelay()
    made(relay)
    Peer(relay).change("connected", 0.041, 0.063, 0.180)
    out, err = capsys.readouterr()
    assert out == "ready http://127.0.0.1:8889/\n"
    for word in ("OpenSSL 3", "recvmmsg+sendmmsg", "/<room>/whip", "[::]:8189", "192.0.2.7", "http://127.0.0.1:8889/demo"):
        assert word in err
    assert "warning" not in err
    assert re.search(
        r"^\d\d:\d\d:\d\d join +den publisher #1  VP8  udp 198.51.100.1:5000  ice 41 ms  dtls 63 ms  first packet 180 ms$",
        err,
        re.MULTILINE,
    )


def test_quiet_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    relay = FakeRelay()
    shown = made(relay, quiet=True)
    Peer(relay).change("connected", 0.1, 0.2, 0.3)
    shown.closing()
    assert capsys.readouterr() == ("ready http://127.0.0.1:8889/\n", "")


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    relay = FakeRelay(token="s3cret")
    shown = made(relay, json=True)
    viewer = Peer(relay, "watch", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
    viewer.change("checked", 0.01)
    viewer.change("connected", 0.01, 0.02)
    viewer.change("connected", 0.01, 0.02, 0.03)
    viewer.leave(reason="close_notify")
    shown.closing()
    out, err = capsys.readouterr()
    events = [json.loads(line) for line in out.splitlines()]
    assert err == ""
    assert [event["event"] for event in events] == ["ready", "join", "leave", "closing"]
    ready, join, leave, closing = events
    assert (ready["url"], ready["port"], ready["udp_port"]) == ("http://127.0.0.1:8889/", 8889, 8189)
    assert ready["publish_token"] is True and ready["watch_token"] is False
    assert "s3cret" not in out and viewer.session.id not in out, "nothing secret is shown"
    assert (join["role"], join["codecs"], join["agent"]) == ("watch", ["VP8"], "Firefox 140")
    assert join["remote"] == "198.51.100.1:5000"
    assert join["ms"] == {"ice": 10, "dtls": 20, "first_packet": 30}
    assert (leave["reason"], leave["why"]) == ("close_notify", "said goodbye")
    assert (closing["publishers"], closing["viewers"]) == (0, 1)


def test_stalls_returns_and_moves(capsys: pytest.CaptureFixture[str]) -> None:
    relay = FakeRelay()
    made(relay)
    peer = Peer(relay)
    peer.change("connected", 0.1, 0.2, 0.3)
    peer.change("stalled")
    peer.change("stalled")
    peer.change("connected", remote=("2001:db8::5", 6000))
    peer.change("connected", remote=("2001:db8::5", 6000))
    lines = [line.split(None, 5)[1:] for line in capsys.readouterr().err.splitlines() if " #1 " in line]
    assert [words[0] for words in lines] == ["join", "stalled", "back", "moved"]
    assert lines[-1][-1] == "udp [2001:db8::5]:6000, was 198.51.100.1:5000"


LEAVES = [
    ("closed", "consent", "", (0.1, 0.2, 0.3), "leave", "lost: no check for 30 s"),
    ("closed", "close_notify", "", (0.1, 0.2, 0.3), "leave", "said goodbye"),
    ("closed", "command", "", (0.1, 0.2, 0.3), "leave", "ended by the relay"),
    ("connected", "", "", (0.1, 0.2, 0.3), "leave", "ended by request"),
    ("closed", "dtls", "no shared cipher\x1b[2J", (0.1,), "failed", "DTLS failed: no shared cipher?[2J"),
    ("closed", "timeout", "no check reached us", (), "failed", "192.0.2.7:8189). Is UDP 8189 open?"),
    ("closed", "timeout", "DTLS did not finish", (0.1,), "failed", "DTLS did not finish"),
]


@pytest.mark.parametrize(("state", "reason", "error", "seconds", "event", "text"), LEAVES)
def test_why_it_left(
    capsys: pytest.CaptureFixture[str],
    state: str,
    reason: str,
    error: str,
    seconds: tuple[float, ...],
    event: str,
    text: str,
) -> None:
    relay = FakeRelay()
    made(relay)
    peer = Peer(relay)
    peer.change("connected" if len(seconds) > 1 else "new", *seconds)
    capsys.readouterr()
    peer.leave(state, reason, error)
    line = capsys.readouterr().err
    assert line.split()[1] == event
    assert text in line
    assert "\x1b" not in line
    if event == "failed":
        assert ("no ice yet" in line) == (not seconds), line


def test_the_relay_says_that_it_is_closing(capsys: pytest.CaptureFixture[str]) -> None:
    relay = FakeRelay()
    shown = made(relay)
    peer = Peer(relay)
    peer.change("connected", 0.1, 0.2, 0.3)
    relay.draining = True
    shown.closing()
    peer.leave(reason="command")
    closing, leave = capsys.readouterr().err.splitlines()[-2:]
    assert "1 publisher(s) and 0 viewer(s) came" in closing
    assert "the relay is closing" in leave


async def test_one_line_of_numbers_is_rewritten_on_a_terminal(monkeypatch: pytest.MonkeyPatch, no_colour: None) -> None:
    screen = FakeTerminal()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(terminal, "LIVE_S", 0.01)
    relay = FakeRelay()
    later = {"in_packets": 200, "in_bytes": 250_000, "out_packets": 4000, "out_bytes": 5_000_000}
    relay.looks = [look(0.0), look(2.0, **later)]
    shown = made(relay)
    assert screen.getvalue().endswith("ready http://127.0.0.1:8889/\n")
    peer = Peer(relay)
    await shown.refresh()
    line = screen.getvalue().split("\n")[-1]
    assert line.count("\r") == line.count("\x1b[K")
    assert "rooms 1  publishers 1  viewers 0  in 100 p/s 1.0 Mb/s  out 2.0 kp/s 20.0 Mb/s" in line
    # What happens meanwhile stands above, and the numbers stay the last line.
    before = len(screen.getvalue())
    peer.change("connected", 0.1, 0.2, 0.3)
    joined, numbers = screen.getvalue()[before:].split("\n")
    assert joined.startswith("\r\x1b[K") and "join" in joined
    assert numbers.startswith("rooms 1")
    before = len(screen.getvalue())
    shown.closing()
    assert screen.getvalue()[before:].startswith("\r\x1b[K")
    assert re.fullmatch(r"[\x20-\x7e\r\n]*", screen.getvalue().replace("\x1b[K", "")), "NO_COLOR means none"


async def test_the_line_fits_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = FakeTerminal()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(terminal, "LIVE_S", 0.01)
    relay = FakeRelay()
    busy = {"in_packets": 117, "in_bytes": 74_600, "out_packets": 8_900, "out_bytes": 9_660_000}
    relay.looks = [look(0.0), look(1.0, **busy)]
    shown = made(relay)
    await shown.refresh()
    (line,) = re.findall(r"\r(rooms.*?)\x1b\[K", screen.getvalue())
    assert len(line) < 80
    assert re.search(r"in 117p/s 597kb/s out 8.9kp/s 77.3Mb/s loss 0.0% cpu 0%$", line)
    shown.closing()


def test_a_log_record_takes_the_numbers_away_first(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = FakeTerminal()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("TERM", "xterm")
    handler = logging.StreamHandler(screen)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        shown = made(FakeRelay())
        shown._status = "rooms 1"
        before = len(screen.getvalue())
        root.warning("odd")
        assert screen.getvalue()[before:] == "\r\x1b[Kodd\n"
        shown.closing()
        assert handler.filters == []
    finally:
        root.removeHandler(handler)


async def test_an_idle_relay_fills_no_log(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "LIVE_S", 0.01)
    monkeypatch.setattr(terminal, "LOG_S", 0.02)
    relay = FakeRelay()
    shown = made(relay)
    relay.looks = [look(at) for at in (0.0, 1.0, 2.0)]
    await shown.refresh()
    assert " rooms " not in capsys.readouterr().err
    Peer(relay)
    relay.looks = [look(3.0)]
    await shown.refresh()
    assert capsys.readouterr().err.count(" rooms 1  publishers 1 ") == 1


async def test_a_viewer_without_media_is_announced_all_the_same(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "MEDIA_WAIT_S", 0.0)
    relay = FakeRelay()
    shown = made(relay)
    peer = Peer(relay, "watch")
    peer.change("connected", 0.0, 0.0)
    assert " join " not in capsys.readouterr().err
    await shown.refresh()
    assert "no first packet yet" in capsys.readouterr().err
    peer.change("connected", 0.0, 0.0, 5.2)
    line = capsys.readouterr().err
    assert line.split()[1] == "media" and "first packet 5200 ms" in line


def test_nobody_reads_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Gone())
    relay = FakeRelay()
    shown = made(relay, json=True)
    Peer(relay).change("connected", 0.1, 0.2, 0.3)
    shown.closing()


WARNINGS = [
    ({}, {}, []),
    ({}, {"rcvbuf": [212992]}, ["net.core.rmem_max="]),
    ({}, {"sndbuf": [BIG, 212992]}, ["net.core.wmem_max="]),
    ({"host": "0.0.0.0"}, {}, ["--tls", "--token"]),
    ({"host": "0.0.0.0", "self_signed": True, "token": "x"}, {}, []),
    ({"host": "localhost"}, {}, []),
    ({"host": "::1"}, {}, []),
]


@pytest.mark.parametrize(("settings", "features", "words"), WARNINGS)
def test_warnings(settings: dict[str, Any], features: dict[str, Any], words: list[str]) -> None:
    relay = FakeRelay(**settings)
    relay.engine.features |= features
    found = banner.warnings(relay)  # type: ignore[arg-type]
    assert len(found) == len(words)
    for text, word in zip(found, words, strict=True):
        assert word in text


def look(now: float, **counts: Any) -> EngineStats:
    return EngineStats(hub=hub(now=now, **counts), loop=LOOP, transports={}, receivers={}, senders={})


def test_rates() -> None:
    meter = Meter()
    first = replace(look(10.0), receivers={1: RECEIVER}, senders={1: SENDER})
    assert meter.look(first) is None
    second = replace(
        look(12.0, in_packets=100, out_bytes=1000),
        loop=replace(LOOP, cpu_seconds=LOOP.cpu_seconds + 0.5, kernel_drops=LOOP.kernel_drops + 3),
        receivers={1: replace(RECEIVER, packets=RECEIVER.packets + 90, lost=RECEIVER.lost + 10)},
        senders={
            1: replace(SENDER, packets=SENDER.packets + 300, fraction_lost=0.1),
            2: replace(SENDER, id=2, packets=100, fraction_lost=0.0),
        },
    )
    rates = meter.look(second)
    assert rates is not None
    assert (rates.in_pps, rates.out_bps, rates.kernel_drops) == (50, 4000, 3)
    assert rates.loss_in == pytest.approx(0.1)
    assert rates.loss_out == pytest.approx(0.075)
    assert rates.cpu_engine == pytest.approx(0.25)
    assert "kernel dropped 3" in rates.as_text()
    assert meter.look(second) is None, "no time has passed"


AGENTS = [
    ("Mozilla/5.0 (X11; Linux) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0 Safari/537.36", "Chrome 156"),
    ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0 Safari/537.36 Edg/150.1", "Edge 150"),
    ("Mozilla/5.0 (iPhone) AppleWebKit/605 (KHTML, like Gecko) Version/19.1 Mobile/15E148 Safari/604.1", "Safari 19.1"),
    ("Mozilla/5.0 (OBS-Studio/32.1.0; Linux x86_64; en-US)", "OBS 32.1.0"),
    ("Lavf/62.12.102", "FFmpeg 62.12.102"),
    ("curl/8.1 x", "curl/8.1"),
    ("\x1b]0;owned\x07 y", "?]0;owned?"),
    ("", ""),
]


@pytest.mark.parametrize(("agent", "name"), AGENTS)
def test_agent_names(agent: str, name: str) -> None:
    assert agent_name(agent) == name


def test_words() -> None:
    assert [duration(s) for s in (4.24, 192, 93_900)] == ["4.2 s", "3 min 12 s", "26 h 05 min"]
    assert [count(v) for v in (0, 950, 8_900, 77_300_000, 2e9)] == ["0 ", "950 ", "8.9 k", "77.3 M", "2.0 G"]
    assert plain("a" * 300, 10) == "aaaaaaaa.."
    assert Style(True).paint("red", "x") == "\x1b[31mx\x1b[0m"
    assert Style(False).bold("x") == "x"


async def test_of_a_running_relay(capsys: pytest.CaptureFixture[str]) -> None:
    async with Relay(port=0, udp_port=0) as relay, Server(relay) as server:
        shown = Terminal(relay, server, json=True, quiet=False)
        shown.ready(None)
        refresh = asyncio.create_task(shown.refresh())
        lines: list[str] = []

        def event(name: str) -> dict[str, Any] | None:
            lines.extend(capsys.readouterr().out.splitlines())
            return next((event for event in map(json.loads, lines) if event["event"] == name), None)

        async with synthetic(server.local_url("den/whip"), width=160, height=120):
            join = await until(lambda: event("join"))
            assert join["codecs"] == ["opus", "VP8"]
            assert 0 <= join["ms"]["ice"] <= join["ms"]["dtls"] <= join["ms"]["first_packet"]
        assert (await until(lambda: event("leave")))["reason"] == "ended"
        refresh.cancel()
        ready = event("ready")
        assert ready is not None and ready["udp_port"] == relay.engine.port


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_the_command(options: list[str]) -> None:
    program = "import sys; from rtcengine.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", program, "relay", "--no-demo", "--port", "0", "--udp-port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        rest, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    if options:
        assert json.loads(line)["event"] == "ready"
        assert [json.loads(text)["event"] for text in rest.splitlines()] == ["closing"]
    else:
        assert re.fullmatch(r"ready http://127\.0\.0\.1:\d+/\n", line)
        assert rest == ""
        assert "closing" in err
