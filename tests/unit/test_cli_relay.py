"""`rtcengine` as a process: ready, goodbye on SIGTERM, one sentence for what cannot be; and the relay's synthetic publisher."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest

from rtcengine import Transport
from rtcengine.cli import demo as demo_module
from rtcengine.cli import main
from rtcengine.cli import relay as relay_module
from rtcengine.cli.demo import Demo
from rtcengine.relay import Relay
from rtcengine.relay.server import Server
from rtcengine.relay.session import Session
from rtcengine.whip import WhipClient, WhipError

from ..publisher import synthetic
from ..util import until

COMMAND = [sys.executable, "-c", "import sys; from rtcengine.cli import main; sys.exit(main())"]
PROGRAM = [*COMMAND, "relay"]
FREE = ["--port", "0", "--udp-port", "0"]


@dataclass
class Child:
    """A relay with --json: `ready` is its first event, `events` those that were read since."""

    process: Process
    ready: dict[str, Any]
    events: list[dict[str, Any]] = field(default_factory=list)

    def url(self, path: str) -> str:
        return str(self.ready["url"]) + path

    async def event(self, name: str) -> dict[str, Any]:
        """The next event of this name; those before it are kept too."""
        assert self.process.stdout is not None
        while line := await asyncio.wait_for(self.process.stdout.readline(), 20):
            self.events.append(json.loads(line))
            if self.events[-1]["event"] == name:
                return self.events[-1]
        raise AssertionError(f"no {name} among {self.events}")

    async def ended(self) -> str:
        """Standard error, when the process has ended by itself with exit code 0."""
        out, err = await asyncio.wait_for(self.process.communicate(), 20)
        self.events += map(json.loads, out.splitlines())
        assert self.process.returncode == 0, err.decode()
        return err.decode()


@asynccontextmanager
async def relay_process(*options: str) -> AsyncIterator[Child]:
    process = await asyncio.create_subprocess_exec(*PROGRAM, "--json", *FREE, *options, stdout=PIPE, stderr=PIPE)
    try:
        assert process.stdout is not None and process.stderr is not None
        line = await asyncio.wait_for(process.stdout.readline(), 30)
        assert line, (await process.stderr.read()).decode()
        yield Child(process, json.loads(line))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def transport_of(publisher: WhipClient) -> Transport:
    assert publisher.pc is not None
    (link,) = publisher.pc.driver.links.values()  # type: ignore[attr-defined]
    return cast(Transport, link.transport)


async def first_refusal(http: aiohttp.ClientSession, url: str) -> tuple[dict[str, str], str]:
    """Posts as a client does that will not give up, until the relay says 503; headers and text of that answer. A relay that
    closes its port before it has said so is not forgiven."""

    async def ask() -> tuple[dict[str, str], str] | None:
        async with http.post(url, data=b"v=0", headers={"Content-Type": "application/sdp"}) as response:
            return (dict(response.headers), await response.text()) if response.status == 503 else None

    return await until(ask, timeout=10, interval=0.01, what="503")


@pytest.mark.slow
async def test_sigterm_says_goodbye_to_all_and_tells_newcomers_to_wait() -> None:
    async with relay_process("--no-demo") as relay, aiohttp.ClientSession() as http, AsyncExitStack() as stack:
        assert relay.ready["event"] == "ready" and relay.ready["demo"] is None
        assert relay.ready["port"] and relay.ready["udp_port"]
        publisher = await stack.enter_async_context(synthetic(relay.url("den/whip")))
        joined = await relay.event("join")
        assert (joined["room"], joined["role"]) == ("den", "publish")
        transport = transport_of(publisher)
        assert transport.state == "connected"

        relay.process.send_signal(signal.SIGTERM)
        headers, text = await first_refusal(http, relay.url("garden/whip"))
        assert re.fullmatch(r"\d+", headers["Retry-After"])
        assert "closing" in text
        async with http.get(relay.url("healthz")) as health:
            assert health.status == 503

        await asyncio.wait_for(transport.wait("closed"), 5)
        assert transport.reason == "close_notify"
        assert await relay.ended() == ""
        assert [e["event"] for e in relay.events if e["event"] != "stats"] == ["join", "closing", "leave"]


@pytest.mark.slow
async def test_a_second_signal_hurries() -> None:
    """Between the two the port still answers, which it would not when nothing was left to wait for."""
    async with (
        relay_process("--no-demo") as relay,
        aiohttp.ClientSession() as http,
        synthetic(relay.url("den/whip")),
    ):
        relay.process.send_signal(signal.SIGINT)
        await first_refusal(http, relay.url("den/whip"))
        relay.process.send_signal(signal.SIGINT)
        assert await relay.ended() == ""


async def test_how_long_it_lingers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "LINGER_S", 3600.0)

    async def drain() -> None:
        relay.sessions.clear()

    relay = SimpleNamespace(draining=False, sessions=["somebody"], drain=drain)
    hurry = asyncio.Event()
    draining = asyncio.create_task(relay_module._drain(cast(Relay, relay), None, hurry))
    await until(lambda: not relay.sessions)
    assert relay.draining and not draining.done()
    hurry.set()
    await asyncio.wait_for(draining, 5)
    await asyncio.wait_for(relay_module._drain(cast(Relay, relay), None, asyncio.Event()), 5)  # nobody was there


@pytest.mark.slow
async def test_with_the_synthetic_publisher() -> None:
    async with relay_process("--demo-room", "show", "--token", "s3cret") as relay, aiohttp.ClientSession() as http:
        assert relay.ready["demo"] == relay.url("show")
        joined = await relay.event("join")
        assert (joined["room"], joined["role"], joined["codecs"]) == ("show", "publish", ["opus", "VP8"])
        with pytest.raises(WhipError, match="401"):
            async with synthetic(relay.url("den/whip"), token="wrong"):
                pass
        async with http.get(relay.url("show")) as page:
            assert page.status == 200 and "<video" in await page.text()
        relay.process.send_signal(signal.SIGTERM)
        assert await relay.ended() == ""
        assert relay.events[-1]["event"] == "leave"


async def test_the_synthetic_publisher_comes_back(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(demo_module, "RETRY_S", 0.05)
    async with Relay(port=0, udp_port=0) as relay, Server(relay) as server:
        demo = Demo(server, "show", "")
        demo.start()

        def connected() -> Session | None:
            return next((s for s in relay.sessions if s.state == "connected"), None)

        first = await until(connected)
        await relay.end(first)
        second = await until(connected)
        assert second is not first
        assert len([r for r in caplog.records if r.levelno >= logging.WARNING]) == 1
        await demo.close()
        assert relay.sessions == []


async def test_somebody_else_in_its_room_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(demo_module, "RETRY_S", 0.0)
    asked = 0

    async def publish(self: WhipClient, *tracks: object, **options: object) -> None:
        nonlocal asked
        asked += 1
        raise WhipError(f"{self.url} answered 409: taken", 409)

    monkeypatch.setattr(WhipClient, "publish", publish)
    demo = Demo(cast(Server, SimpleNamespace(local_url=lambda path: f"http://127.0.0.1:1/{path}")), "show", "")
    demo.start()
    await until(lambda: asked > 3)
    await demo.close()
    assert [r.getMessage() for r in caplog.records] == [
        "the synthetic publisher: http://127.0.0.1:1/show/whip answered 409: taken"
    ]


BAD = [
    (["--demo-room", "two words"], 2, "'two words' is no name for a room"),
    (["--demo-room", "metrics"], 2, "'metrics' is no name for a room"),
    (["--demo-room", "r" * 65], 2, "is no name for a room"),
    (["--token", "two words"], 2, "token must be"),
    (["--watch-token", "schlüssel"], 2, "watch_token must be"),
    (["--port", "65536"], 2, "port must be 0 to 65535"),
    (["--udp-port", "-1"], 2, "udp_port must be 0 to 65535"),
    (["--public-ip", "here"], 2, "'here'"),
    (["--public-ip", "0.0.0.0"], 2, "0.0.0.0"),
    (["--cert", "page.crt"], 2, "a certificate needs its key"),
    (["--tls", "--cert", "page.crt", "--key", "page.key"], 2, "choose one"),
    (["--cert", "absent.crt", "--key", "absent.key"], 1, "absent.crt"),
    (["--cert", __file__, "--key", __file__], 1, Path(__file__).name),
    (["--host", "192.0.2.250"], 1, "192.0.2.250"),
]


@pytest.mark.parametrize(("options", "code", "words"), BAD)
def test_what_cannot_be_is_said_in_one_sentence(
    capsys: pytest.CaptureFixture[str], options: list[str], code: int, words: str
) -> None:
    assert main(["relay", "--no-demo", *FREE, *options]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("rtcengine relay: ") and err.count("\n") == 1 and "Errno" not in err, err
    assert words in err


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "option"), [(socket.SOCK_STREAM, "--port"), (socket.SOCK_DGRAM, "--udp-port")])
async def test_a_port_in_use(kind: socket.SocketKind, option: str) -> None:
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        port = str(taken.getsockname()[1])
        process = await asyncio.create_subprocess_exec(*PROGRAM, "--no-demo", *FREE, option, port, stdout=PIPE, stderr=PIPE)
        out, err = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, out) == (1, b"")
    text = err.decode()
    assert text.startswith("rtcengine relay: cannot ") and text.count("\n") == 1, text
    assert port in text and text.endswith(": Address already in use\n")


async def test_nobody_reads_what_is_said() -> None:
    """As in `rtcengine doctor | head -1`."""
    reading, writing = os.pipe()
    os.close(reading)
    process = await asyncio.create_subprocess_exec(*COMMAND, "doctor", stdout=writing, stderr=PIPE)
    os.close(writing)
    _, err = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, err) == (1, b"")
