"""Sound that is sent twice (RFC 2198): what a way loses is there all the same, without a sample that was made up."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from rtcengine import RTCPeerConnection, RTCRtpCodecCapability, RTCRtpSender, RTCSessionDescription
from rtcengine.peer.errors import RangeError
from tests.unit.lossy import Lossy, lossy
from tests.unit.media_kit import take
from tests.unit.test_call import connected, gather_tracks, negotiate, two
from tests.unit.test_call_sound import Sound, inbound
from tests.unit.test_opus import noise, voice
from tests.util import until


def codecs(*names: str) -> list[RTCRtpCodecCapability]:
    known = RTCRtpSender.getCapabilities("audio").codecs
    return [next(codec for codec in known if codec.name == name) for name in names]


@asynccontextmanager
async def negotiated(a: RTCPeerConnection, b: RTCPeerConnection, loses: Callable[[int], bool]) -> AsyncIterator[Lossy]:
    """b is known to a by way of a port that loses, a to b by the checks that come from there."""
    await a.setLocalDescription()
    assert a.localDescription is not None
    without = re.sub(r"a=(candidate|end-of-candidates).*\r\n", "", a.localDescription.sdp)
    await b.setRemoteDescription(RTCSessionDescription(without, "offer"))
    await b.setLocalDescription()
    assert b.localDescription is not None
    found = re.search(r"a=candidate:\S+ 1 udp \d+ 127\.0\.0\.1 (\d+) typ host", b.localDescription.sdp)
    assert found is not None, b.localDescription.sdp
    async with lossy(int(found[1]), loses) as way:
        changed = b.localDescription.sdp.replace(found[0], found[0].replace(f" {found[1]} ", f" {way.port} "))
        await a.setRemoteDescription(RTCSessionDescription(changed, "answer"))
        yield way


def in_twos(number: int) -> bool:
    """Two in a row, then fourteen come: redundancy inside of Opus has one of the two at most."""
    return number % 16 in (8, 9)


@pytest.mark.parametrize(("names", "levels"), [(["red", "opus"], 2), (["red", "opus"], 1), (["opus"], None)])
async def test_what_is_lost_is_there_all_the_same(names: list[str], levels: int | None) -> None:
    async with two() as (a, b):
        sender = a.addTrack(Sound(voice(3), "speech"))
        heard = gather_tracks(b)
        a.getTransceivers()[0].setCodecPreferences(codecs(*names))
        if levels is not None:
            parameters = sender.getParameters()
            parameters.encodings[0].redundancy = levels
            await sender.setParameters(parameters)
        async with negotiated(a, b, in_twos) as way:
            await connected(a, b)
            frames = await take(heard[0], 130)
            assert [f.pts for f in frames] == [sum(f.samples for f in frames[:n]) for n in range(130)]
            stats = inbound(await b.getStats())
        assert stats.packetsLost >= 14 and way.lost >= 14
        used = stats.get("fecPacketsReceived", 0) - stats.get("fecPacketsDiscarded", 0)
        if levels == 2:
            assert stats.concealedSamples == stats.concealmentEvents == 0
            assert stats.fecPacketsReceived > 1.8 * stats.packetsReceived and stats.fecBytesReceived > 0
            assert abs(used - stats.packetsLost) <= 2  # of a gap under way one may be counted, and the other not yet
        elif levels == 1:
            assert abs(used - stats.packetsLost / 2) <= 2
        else:
            assert stats.concealedSamples >= 14 * 960 / 2 and used == 0


async def test_frames_that_are_restored_are_those_that_were_sent() -> None:
    async with two() as (a, b):
        a.addTrack(Sound(voice(3)))
        heard = gather_tracks(b)
        a.getTransceivers()[0].setCodecPreferences(codecs("red", "opus"))
        async with negotiated(a, b, lambda number: number > 50 and number % 3 == 0) as way:
            await connected(a, b)
            frames = []
            async with asyncio.timeout(20):
                async for frame in heard[0].encoded():
                    frames.append(frame)
                    if len(frames) == 150:
                        break
        assert way.lost > 20
        assert [f.timestamp - frames[0].timestamp for f in frames] == [960 * n for n in range(150)]
        assert not any(f.lost for f in frames) and {f.codec for f in frames} == {"opus"}
        assert all(f.key for f in frames)


async def test_more_is_repeated_when_more_is_lost() -> None:
    """One frame while nothing is lost, two from 5 % on, by the peer's own reports."""
    losing = False
    async with two() as (a, b):
        a.addTrack(Sound(voice(3)))
        heard = gather_tracks(b)
        a.getTransceivers()[0].setCodecPreferences(codecs("red", "opus"))
        async with negotiated(a, b, lambda number: losing and number % 8 == 0):
            await connected(a, b)

            async def repeated(frames: int) -> float:
                """Frames that a packet repeats, of the next ones."""
                before = inbound(await b.getStats())
                await take(heard[0], frames)
                after = inbound(await b.getStats())
                packets = after.packetsReceived - before.packetsReceived
                return float(after.fecPacketsReceived - before.fecPacketsReceived) / packets

            await take(heard[0], 10)
            assert 0.9 < await repeated(30) <= 1
            losing = True

            async def two_of_them() -> bool:
                return await repeated(20) > 1.9

            await until(two_of_them, what="a second frame")


async def test_a_peer_that_takes_none_gets_none() -> None:
    async with two() as (a, b):
        a.addTrack(Sound(voice(1)))
        heard = gather_tracks(b)
        a.getTransceivers()[0].setCodecPreferences(codecs("red", "opus"))
        await a.setLocalDescription()
        await b.setRemoteDescription(a.localDescription)  # type: ignore[arg-type]
        b.getTransceivers()[0].setCodecPreferences(codecs("opus"))
        await b.setLocalDescription()
        await a.setRemoteDescription(b.localDescription)  # type: ignore[arg-type]
        await connected(a, b)
        await take(heard[0], 20)
        assert "red" not in b.localDescription.sdp  # type: ignore[union-attr]
        assert "fecPacketsReceived" not in inbound(await b.getStats())


async def test_it_begins_and_ends_with_negotiation() -> None:
    """Behind Opus it may be sent, and is not; before it, it is: the stream goes on through both."""
    async with two() as (a, b):
        a.addTrack(Sound(voice(1)))
        heard = gather_tracks(b)
        await negotiate(a, b)
        await connected(a, b)
        frames = await take(heard[0], 20)
        assert inbound(await b.getStats()).fecPacketsReceived == 0
        for names, comes in ((["red", "opus"], True), (["opus", "red"], False)):
            a.getTransceivers()[0].setCodecPreferences(codecs(*names))
            await negotiate(a, b)
            assert [c.name for c in a.getSenders()[0].getParameters().codecs] == names
            assert [c.name for c in b.getReceivers()[0].getParameters().codecs] == names

            async def met(comes: bool = comes) -> bool:
                before = inbound(await b.getStats()).fecPacketsReceived
                frames.extend(await take(heard[0], 10))
                return bool(inbound(await b.getStats()).fecPacketsReceived > before) == comes

            await until(met, what=f"redundancy: {comes}")
        assert [f.pts for f in frames] == [sum(f.samples for f in frames[:n]) for n in range(len(frames))]
        assert inbound(await b.getStats()).packetsLost == 0


async def test_a_limit_holds_for_all_that_is_sent() -> None:
    async with two() as (a, b):
        sender = a.addTrack(Sound(noise(3, 3000)))
        heard = gather_tracks(b)
        a.getTransceivers()[0].setCodecPreferences(codecs("red", "opus"))
        await negotiate(a, b)
        await connected(a, b)
        for levels in (1, 2):
            parameters = sender.getParameters()
            parameters.encodings[0].maxBitrate, parameters.encodings[0].redundancy = 60_000, levels
            await sender.setParameters(parameters)

            async def settled(levels: int = levels) -> bool:
                before = inbound(await b.getStats())
                await take(heard[0], 25)
                after = inbound(await b.getStats())
                packets, size = (after[name] - before[name] for name in ("packetsReceived", "bytesReceived"))
                repeated = (after.fecPacketsReceived - before.fecPacketsReceived) / packets
                return bool(0.8 * 60_000 < size * 8 / (packets * 0.02) < 1.1 * 60_000 and abs(repeated - levels) < 0.1)

            await until(settled, what=f"60 kbit/s with {levels} repeated")


async def test_levels_have_bounds() -> None:
    async with two() as (a, _):
        sender = a.addTrack(Sound(voice(1)))
        for levels in (0, 3, -1):
            parameters = sender.getParameters()
            parameters.encodings[0].redundancy = levels
            with pytest.raises(RangeError):
                await sender.setParameters(parameters)
        parameters = sender.getParameters()
        parameters.encodings[0].redundancy = 2
        await sender.setParameters(parameters)
        assert sender.getParameters().encodings[0].redundancy == 2
