"""The engine through its Python API, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import json
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from rtcengine import (
    Certificate,
    Engine,
    EngineClosed,
    EngineError,
    IceCandidate,
    IceConfig,
    Receiver,
    RecvConfig,
    SendConfig,
    Sender,
    Transport,
    TransportEvent,
    _core,
)
from rtcengine.cli import machine
from tests.unit.engine_pair import AUDIO, DELTA_FRAME, HERE, KEY_FRAME, OPUS_FRAME, VIDEO, Names, receive, send
from tests.util import until

ROOT = Path(__file__).resolve().parents[2]
SERVER, CLIENT = Certificate.generate(), Certificate.generate()


@dataclass
class Pair:
    """A client that sends to a server, connected."""

    server: Engine
    client: Engine
    near: Transport
    far: Transport
    video: Receiver
    audio: Receiver
    video_out: Sender
    audio_out: Sender
    events: list[TransportEvent]


@contextlib.asynccontextmanager
async def connected(
    *, udp: str = "127.0.0.1", dial: str = "127.0.0.1", portable: bool = False, expect: bytes | None = None
) -> AsyncIterator[Pair]:
    """`expect`: the fingerprint that the server wants to see, when it is not the client's; then nobody waits."""
    events: list[TransportEvent] = []
    async with (
        Engine(SERVER, udp=[(udp, 0)], portable=portable) as server,
        Engine(CLIENT, udp=[(dial, 0)], portable=portable) as client,
    ):
        names = Names.new()
        batch = server.batch()
        near = batch.transport(names.config(expect or CLIENT.digest(), client=False), events.append)
        video, audio = receive(batch, near, VIDEO), receive(batch, near, AUDIO)
        await batch.commit()
        batch = client.batch()
        far = batch.transport(names.other().config(SERVER.digest(), client=True))
        video_out, audio_out = send(batch, far, VIDEO, 1000), send(batch, far, AUDIO, 2000)
        batch.path(far, (dial, server.port))
        await batch.commit()
        if expect is None:
            await asyncio.wait_for(asyncio.gather(near.wait("connected"), far.wait("connected")), 10)
        yield Pair(server, client, near, far, video, audio, video_out, audio_out, events)


async def test_one_free_port_for_both_families() -> None:
    async with Engine(SERVER) as engine:
        assert [host for host, _ in engine.addresses] == ["0.0.0.0", "::"]
        assert {port for _, port in engine.addresses} == {engine.port}
        assert engine.port > 0


async def test_a_taken_port_is_named() -> None:
    async with Engine(SERVER, udp=HERE) as engine:
        with pytest.raises(OSError, match=rf"cannot bind UDP 127\.0\.0\.1:{engine.port}: ") as caught:
            await Engine(SERVER, udp=[("127.0.0.1", engine.port)]).start()
        assert caught.value.errno == errno.EADDRINUSE
    with pytest.raises(OSError, match=r"cannot bind UDP \[2001:db8::77\]:9: ") as caught:
        await Engine(SERVER, udp=[("2001:db8::77", 9)]).start()
    assert caught.value.errno == errno.EADDRNOTAVAIL


@pytest.mark.parametrize("udp", [[("localhost", 0)], [("127.0.0.1", 65536)], [("127.0.0.1", -1)], [("::1", 0)] * 17])
async def test_an_address_that_is_none(udp: list[tuple[str, int]]) -> None:
    with pytest.raises(ValueError, match="address"):
        await Engine(SERVER, udp=udp).start()


async def test_an_unusable_certificate() -> None:
    with pytest.raises(ValueError, match="certificate and key"):
        await Engine(Certificate(SERVER.cert_pem, CLIENT.key_pem), udp=HERE).start()


async def test_life() -> None:
    engine = Engine(SERVER, udp=HERE)
    batch = engine.batch()
    transport = batch.transport(Names.new().config(CLIENT.digest(), client=False))
    with pytest.raises(EngineError, match="not been started"):
        await batch.commit()
    with pytest.raises(EngineError, match="not been started"):
        _ = engine.port
    await engine.start()
    with pytest.raises(EngineError, match="runs already"):
        await engine.start()
    await batch.commit()
    with pytest.raises(EngineError, match="sent before"):
        await batch.commit()
    await engine.batch().commit()  # nothing to do
    waiting = asyncio.create_task(transport.wait("connected"))
    await asyncio.sleep(0)
    await asyncio.gather(engine.close(), engine.close())
    await engine.close()
    assert transport.state == "closed"
    with pytest.raises(EngineClosed):
        await waiting
    late = engine.batch()
    late.close(transport)
    for call in (late.commit, engine.stats, engine.start):
        with pytest.raises(EngineClosed):
            await call()
    await transport.wait("closed")


async def test_close_before_start() -> None:
    engine = Engine(SERVER, udp=HERE)
    await engine.close()
    with pytest.raises(EngineClosed):
        await engine.start()


async def test_a_failed_batch_names_its_command_and_leaves_nothing() -> None:
    async with Engine(SERVER, udp=HERE) as engine:
        batch = engine.batch()
        transport = batch.transport(Names.new().config(CLIENT.digest(), client=False))
        send(batch, transport, VIDEO, 1000)
        twice = send(batch, transport, AUDIO, 1000)
        with pytest.raises(EngineError, match=f"^sender {twice.id} of transport {transport.id}: invalid argument$"):
            await batch.commit()
        assert transport.state == "closed"
        with pytest.raises(EngineClosed):
            twice.send_frame(OPUS_FRAME, 0, True)
        await until(lambda: no_transports(engine))


async def no_transports(engine: Engine) -> bool:
    stats = await engine.stats()
    return not stats.transports and not stats.senders


async def test_a_cancelled_commit_leaves_nothing() -> None:
    async with Engine(SERVER, udp=HERE) as engine:
        batch = engine.batch()
        transport = batch.transport(Names.new().config(CLIENT.digest(), client=False))
        task = asyncio.create_task(batch.commit())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert transport.state == "closed"
        await until(lambda: no_transports(engine))


async def test_submit_logs_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    async with Engine(SERVER, udp=HERE) as engine:
        batch = engine.batch()
        transport = batch.transport(Names.new().config(CLIENT.digest(), client=False))
        send(batch, transport, VIDEO, 1000)
        send(batch, transport, VIDEO, 1000)
        batch.submit()
        await until(lambda: "invalid argument" in caplog.text)


GOOD = Names.new().config(bytes(32), client=False)
RECV, SEND = RecvConfig(**VIDEO), SendConfig(**VIDEO, ssrc=1)


@pytest.mark.parametrize(
    ("config", "word"),
    [
        (replace(GOOD, ice=replace(GOOD.ice, local_ufrag="abc")), "local ICE user name"),
        (replace(GOOD, ice=replace(GOOD.ice, local_ufrag="x" * 33)), "local ICE user name"),
        (replace(GOOD, ice=replace(GOOD.ice, remote_pwd="short")), "remote ICE password"),
        (replace(GOOD, ice=IceConfig("local", "p" * 24), ice_role="controlled"), "remote ICE user name"),
        (replace(GOOD, ice_role="checker"), "ICE role"),
        (replace(GOOD, ice_survives=True), "lite agent"),
        (replace(GOOD, fingerprints=()), "fingerprint"),
        (replace(GOOD, fingerprints=(("sha-1", bytes(20)),)), "SHA-1"),
        (replace(GOOD, fingerprints=(("md5", bytes(16)),)), "md5"),
        (replace(GOOD, fingerprints=(("sha-256", bytes(31)),)), "31 bytes"),
        (replace(GOOD, fingerprints=(("sha-256", bytes(32)),) * 9), "8 fingerprints"),
        (replace(GOOD, extensions={0: "urn:ietf:params:rtp-hdrext:sdes:mid"}), "extension id 0"),
        (replace(GOOD, cname="c" * 64), "cname"),
        (replace(GOOD, cname="a\0b"), "cname"),
        (replace(GOOD, ssrc=1 << 32), "ssrc"),
        (replace(RECV, codec="H261"), "H261"),
        (replace(RECV, pt=128), "pt is 128"),
        (replace(RECV, rtx_pt=-1), "rtx_pt is -1"),
        (replace(RECV, clock_rate=0), "clock_rate"),
        (replace(RECV, mid="m" * 17), "mid"),
        (replace(RECV, red_pt=63), "of sound alone"),
        (replace(RECV, video=False, codec="opus", red_pt=128), "red_pt is 128"),
        (replace(SEND, video=False, codec="opus", red_pt=63, red_levels=3), "red_levels is 3"),
        (replace(SEND, ssrc=0), "ssrc is 0"),
        (replace(SEND, rtx_ssrc=-5), "rtx_ssrc"),
    ],
)
async def test_what_a_command_cannot_hold(config: Any, word: str) -> None:
    async with Engine(SERVER, udp=HERE) as engine:
        batch = engine.batch()
        transport = batch.transport(GOOD)
        call: Callable[[], object] = {
            RecvConfig: lambda: batch.receive(transport, config),
            SendConfig: lambda: batch.send(transport, config),
        }.get(type(config), lambda: batch.transport(config))
        with pytest.raises(ValueError, match=word):
            call()
        await batch.commit()  # the refused command is not in it


CANDIDATE = IceCandidate(address=("127.0.0.9", 9), type="host", priority=1)


async def test_more_wrong_commands() -> None:
    async with Engine(SERVER, udp=HERE) as engine, Engine(SERVER, udp=HERE) as other:
        batch = engine.batch()
        lite = batch.transport(GOOD)
        checker = batch.transport(Names.new().config(bytes(32), client=True))
        video, audio = receive(batch, lite, VIDEO), send(batch, lite, AUDIO, 5)
        wrong: list[tuple[str, Callable[[], object]]] = [
            ("answers checks", lambda: batch.path(lite, ("127.0.0.1", 9))),
            ("no socket of ours", lambda: batch.path(checker, ("::1", 9))),
            ("not an IP address", lambda: batch.path(checker, ("example.org", 9))),
            ("answers checks", lambda: batch.remote_candidate(lite, CANDIDATE)),
            ("answers checks", lambda: batch.end_of_candidates(lite, remote=True)),
            ("answers checks", lambda: batch.role(lite, True)),
            ("no socket of ours", lambda: batch.local_candidate(checker, CANDIDATE)),
            ("not an IP address", lambda: batch.remote_candidate(checker, replace(CANDIDATE, address=("a.local", 9)))),
            ("candidate type", lambda: batch.remote_candidate(checker, replace(CANDIDATE, type="tcp"))),
            ("priority", lambda: batch.remote_candidate(checker, replace(CANDIDATE, priority=2**31))),
            ("above 0", lambda: batch.rate(lite, 0)),
            ("codec", lambda: batch.link(audio, video)),
            ("another engine", lambda: other.batch().close(lite)),
            ("another engine", lambda: other.batch().link(audio, None)),
            ("user name", lambda: batch.restart(lite, IceConfig("", ""))),
        ]
        for word, call in wrong:
            with pytest.raises(ValueError, match=word):
                call()
        await batch.commit()
        with pytest.raises(ValueError, match="no such state"):
            await lite.wait("open")


@pytest.mark.parametrize(
    ("udp", "dial", "portable"),
    [("127.0.0.1", "127.0.0.1", False), ("::", "::1", False), ("0.0.0.0", "127.0.0.3", True)],
)
async def test_frames_from_one_engine_reach_the_other(udp: str, dial: str, portable: bool) -> None:
    async with connected(udp=udp, dial=dial, portable=portable) as p:
        active: list[int] = []
        p.video.on_active = lambda: active.append(p.video.ssrc)
        assert p.near.srtp_profile == p.far.srtp_profile == "AEAD_AES_128_GCM"
        assert p.far.remote == (dial, p.server.port)
        assert p.near.remote == p.client.addresses[0]
        for n in range(30):
            p.video_out.send_frame(DELTA_FRAME if n % 10 else KEY_FRAME, n * 3000, n % 10 == 0)
            p.audio_out.send_frame(OPUS_FRAME, n * 960, True)
        await until(lambda: has_frames(p, 30, 30))
        stats = await p.server.stats()
        video, audio = stats.receivers[p.video.id], stats.receivers[p.audio.id]
        assert (video.ssrc, video.key_frames, video.lost) == (1000, 3, 0)
        assert video.packets == 27 + 3 * 2  # a key frame takes two packets
        assert (audio.ssrc, audio.packets, audio.lost) == (2000, 30, 0)
        assert audio.bytes >= 30 * len(OPUS_FRAME)
        assert active == [1000]
        transport = stats.transports[p.near.id]
        assert (transport.state, transport.remote, transport.dtls_client) == ("connected", p.near.remote, False)
        assert transport.connected is not None and 0 <= stats.hub["now"] - transport.connected < 30
        assert abs(stats.hub["now"] - time.monotonic()) < 5
        assert stats.hub["rtp_in"] == video.packets + audio.packets
        assert stats.hub["drops"]["rtp_auth"] == 0
        assert stats.loop.recv_calls > 0 and 0 < stats.loop.cpu_seconds < 10
        sent = (await p.client.stats()).senders[p.video_out.id]
        assert (sent.packets, sent.ssrc, sent.source) == (video.packets, 1000, 0)
        times = p.near.times
        assert times.added is not None and times.checked is not None and times.connected is not None
        assert 0 <= times.checked <= times.connected < 10
        await until(lambda: p.near.times.first_media)
        features = p.server.features
        assert features["sendmmsg"] is (sys.platform == "linux" and not portable)
        assert features["gso"] is False or features["sendmmsg"]
        assert min(features["rcvbuf"] + features["sndbuf"]) > 0
        assert features["crypto"].startswith("OpenSSL")


@pytest.mark.parametrize("portable", [False, True])
async def test_packets_of_a_frame_leave_as_one(portable: bool) -> None:
    async with connected(portable=portable) as p:
        batch = p.client.batch()
        batch.rate(p.far, 100_000_000)  # so that the pacer lets a frame go at once
        await batch.commit()
        for n in range(10):
            p.video_out.send_frame(KEY_FRAME + bytes(8000 + 7 * n), n * 3000, True)
        await until(lambda: has_frames(p, 10, 0))
        loop = (await p.client.stats()).loop
        runs = machine.send_offload() and not portable
        assert p.client.features["gso"] is runs
        assert (loop.gso_runs > 0) is runs and loop.gso_datagrams >= 2 * loop.gso_runs and loop.gso_refused == 0
        video = (await p.server.stats()).receivers[p.video.id]
        assert (video.lost, video.frames) == (0, 10)


async def has_frames(p: Pair, video: int, audio: int) -> bool:
    receivers = (await p.server.stats()).receivers
    return (receivers[p.video.id].frames, receivers[p.audio.id].packets) == (video, audio)


async def test_frames_from_any_thread() -> None:
    async with connected() as p:

        def give() -> None:
            for n in range(50):
                p.audio_out.send_frame(memoryview(OPUS_FRAME), n * 960, True)
                time.sleep(0.001)

        threads = [threading.Thread(target=give) for _ in range(3)]
        for thread in threads:
            thread.start()
        await asyncio.gather(*(asyncio.to_thread(t.join) for t in threads))
        await until(lambda: has_frames(p, 0, 150))
        with pytest.raises(ValueError, match="empty"):
            p.audio_out.send_frame(b"", 0, True)


def test_frames_at_the_cap() -> None:
    """A loop whose thread was not started takes nothing out of its mailbox."""
    loop = _core.Loop(HERE, SERVER.cert_pem, SERVER.key_pem, 0, 0, False, 0, False, 1024)
    for _ in range(64):
        loop.frame(1, OPUS_FRAME, 0, True)
    with pytest.raises(BufferError):
        loop.frame(1, OPUS_FRAME, 0, True)
    loop.frame(2, OPUS_FRAME, 0, True)
    loop.stop()
    with pytest.raises(RuntimeError, match="closed"):
        loop.frame(1, OPUS_FRAME, 0, True)


async def test_a_wanted_key_frame_is_told() -> None:
    async with connected() as p:
        p.video_out.send_frame(KEY_FRAME, 0, True)
        await until(lambda: p.video.ssrc)
        told: list[bool] = []
        p.video_out.on_keyframe = lambda: told.append(True)
        batch = p.server.batch()
        batch.keyframe(p.video)
        await batch.commit()
        await until(lambda: told)


async def test_closing_is_told_to_both_and_then_nothing_more() -> None:
    async with connected() as p:
        states: list[tuple[str, str]] = []
        p.far.on_event = lambda event: states.append((event.state, event.reason))
        batch = p.client.batch()
        batch.close(p.far)
        await batch.commit()
        await asyncio.wait_for(asyncio.gather(p.near.wait("closed"), p.far.wait("closed")), 10)
        assert (p.near.reason, p.far.reason) == ("close_notify", "command")
        assert states[-1] == ("closed", "command")
        assert [e.state for e in p.events][-1] == "closed"
        before = len(states), len(p.events)
        with pytest.raises(EngineClosed):
            p.video_out.send_frame(KEY_FRAME, 0, True)
        again = p.client.batch()
        again.close(p.far)  # what is closed may be closed
        again.link(p.video_out, None)
        await again.commit()
        assert not (await p.client.stats()).transports
        assert (len(states), len(p.events)) == before
        with pytest.raises(EngineError, match="close_notify"):
            await p.near.wait("connected")


async def test_no_event_after_the_engine_is_closed() -> None:
    async with connected() as p:
        before = len(p.events)
        await p.server.close()
        assert p.near.state == "closed"
        await asyncio.wait_for(p.far.wait("closed"), 10)
        assert p.far.reason == "close_notify"
        assert len(p.events) == before


async def test_a_wrong_fingerprint_never_connects() -> None:
    async with connected(expect=bytes(32)) as p:
        with pytest.raises(EngineError, match="fingerprint"):
            await asyncio.wait_for(p.near.wait("connected"), 10)
        assert (p.near.state, p.near.reason) == ("closed", "dtls")
        assert "connected" not in [e.state for e in p.events]


async def test_a_failing_callback_stops_no_other() -> None:
    problems: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    async with connected() as p:
        p.video.on_active = lambda: [][1]
        heard: list[int] = []
        p.audio.on_active = lambda: heard.append(p.audio.ssrc)
        p.video_out.send_frame(KEY_FRAME, 0, True)
        p.audio_out.send_frame(OPUS_FRAME, 0, True)
        await until(lambda: heard)
        await until(lambda: problems)
    assert isinstance(problems[0]["exception"], IndexError)


async def test_new_ice_credentials_keep_the_media() -> None:
    async with connected() as p:
        fresh = Names.new()
        batch = p.server.batch()
        batch.restart(p.near, IceConfig(fresh.ufrag, fresh.pwd, fresh.far_ufrag, fresh.far_pwd))
        await batch.commit()
        far = fresh.other()
        batch = p.client.batch()
        batch.restart(p.far, IceConfig(far.ufrag, far.pwd, far.far_ufrag, far.far_pwd))
        await batch.commit()
        p.video_out.send_frame(KEY_FRAME, 0, True)
        p.audio_out.send_frame(OPUS_FRAME, 0, True)
        await until(lambda: has_frames(p, 1, 1))
        assert p.near.state == p.far.state == "connected"


@pytest.mark.slow
async def test_a_program_that_holds_the_gil_stops_no_packet() -> None:
    """Another process publishes and watches through this one, whose Python stands still for two seconds."""
    async with Engine(SERVER, udp=HERE) as engine:
        into, out = Names.new(), Names.new()
        batch = engine.batch()
        publisher = batch.transport(into.config(CLIENT.digest(), client=False))
        source = receive(batch, publisher, VIDEO)
        viewer = batch.transport(out.config(CLIENT.digest(), client=False))
        batch.link(send(batch, viewer, VIDEO, 7000), source)
        await batch.commit()
        told = {
            "cert": CLIENT.cert_pem.decode(),
            "key": CLIENT.key_pem.decode(),
            "fingerprint": SERVER.digest().hex(),
            "port": engine.port,
            "names": [[n.ufrag, n.pwd, n.far_ufrag, n.far_pwd] for n in (into.other(), out.other())],
            "seconds": 4,
        }
        env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).with_name("engine_pair.py")),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=env,
            limit=1 << 20,
        )
        assert process.stdin and process.stdout
        process.stdin.write(json.dumps(told).encode() + b"\n")
        assert await asyncio.wait_for(process.stdout.readline(), 30) == b"ready\n"
        start = time.monotonic()
        ctypes.PyDLL(None).sleep(2)
        end = time.monotonic()
        samples = json.loads(await asyncio.wait_for(process.stdout.readline(), 30))
        assert await asyncio.wait_for(process.wait(), 30) == 0
        during = [(at, frames) for at, frames in samples if start <= at <= end]
        assert end - start >= 2
        # The far end gives a frame each 10 ms; all that it gave came back, but for those under way at the ends.
        assert during[-1][1] - during[0][1] >= len(during) - 10
        assert len(during) >= 100
        assert (await engine.stats()).hub["forwarded"] >= samples[-1][1]


@pytest.mark.parametrize("seconds", [-0.001, 0.006, float("nan")])
def test_coalesce_has_bounds(seconds: float) -> None:
    with pytest.raises(ValueError, match="coalesce"):
        Engine(SERVER, coalesce=seconds)


async def test_the_replay_window_reaches_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    for size in (-1, 0, 63, 32769):
        with pytest.raises(ValueError, match="64 to 32768"):
            Engine(SERVER, srtp_window=size)
    asked: list[Any] = []

    class Loop(_core.Loop):
        def __init__(self, *options: Any) -> None:
            asked.append(options[-1])
            super().__init__(*options)

    monkeypatch.setattr(_core, "Loop", Loop)
    for size in (64, 32768):
        async with Engine(SERVER, udp=HERE, srtp_window=size):
            pass
    assert asked == [64, 32768]


async def test_batches_together_stay_batches() -> None:
    async with Engine(Certificate.generate(), udp=HERE) as engine:
        good = Names.new().config(bytes(32), client=False)
        with engine.together():
            first, twice, last = engine.batch(), engine.batch(), engine.batch()
            first.transport(good)
            first.submit()
            twice.transport(good)  # the user name is taken
            twice.submit()
            kept = last.transport(Names.new().config(bytes(32), client=False))
            last.submit()
        stats = await engine.stats()
        assert len(stats.transports) == 2 and kept.id in stats.transports
    with engine.together(), pytest.raises(EngineClosed):
        engine.batch().transport(good)
        batch = engine.batch()
        batch.transport(good)
        batch.submit()
