"""RTCPeerConnection against aiortc's: both roles, each SRTP profile, pictures both ways; the codecs of telephones."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from fractions import Fraction
from typing import Any

import aiortc
import av
import numpy as np
import pytest

import rtcengine
from rtcengine import RTCPeerConnection
from rtcengine.rtp import Extension
from tests.interop import peers
from tests.interop.nat import network
from tests.interop.pipe_peer import connect
from tests.unit.media_kit import loudest
from tests.util import until

ENOUGH = 15  # decoded pictures
PROFILES = {  # OpenSSL's names, which aiortc goes by, and those of RFC 5764
    "SRTP_AEAD_AES_256_GCM": "AEAD_AES_256_GCM",
    "SRTP_AEAD_AES_128_GCM": "AEAD_AES_128_GCM",
    "SRTP_AES128_CM_SHA1_80": "AES_CM_128_HMAC_SHA1_80",
}


def peer(library: str, *options: str) -> list[str]:
    return [sys.executable, "-m", "tests.interop.nat_peer", "--library", library, *options]


# Every profile and both roles in every run; all of both in `make long`.
CASES = [
    pytest.param(offers, profile, marks=[] if offers == (i % 2 == 0) else [pytest.mark.long])
    for i, profile in enumerate(PROFILES)
    for offers in (True, False)
]


@pytest.mark.parametrize(("ours_offers", "profile"), CASES)
async def test_aiortc(ours_offers: bool, profile: str) -> None:
    async with network() as net:
        here, there = await net.open_host(), await net.open_host()
        ours = peers.program(peer("rtcengine"), here, commands=True)
        theirs = peers.program(peer("aiortc", "--profile", profile), there, commands=True)
        async with ours as us, theirs as them:
            async with connect(*((us, them) if ours_offers else (them, us))):
                for one in (us, them):
                    await one.wait("counts", lambda e: bool(e["video"] >= ENOUGH))
                pair = await us.wait("pair")
                assert (pair["local"], pair["remote"], pair["srtp"]) == ("host", "host", PROFILES[profile])


def tone(library: Any, frequency: int) -> Any:
    """A track of the library's: a tone at 16 kHz, in frames of 20 ms."""

    class Tone(library.AudioStreamTrack):  # type: ignore[misc]
        async def recv(self) -> av.AudioFrame:
            at = 2 * (await super().recv()).pts
            wave = 8000 * np.sin(2 * np.pi * frequency * (at + np.arange(320)) / 16000)
            frame = av.AudioFrame.from_ndarray(wave.astype(np.int16).reshape(1, -1), format="s16", layout="mono")
            frame.pts, frame.sample_rate, frame.time_base = at, 16000, Fraction(1, 16000)
            return frame

    return Tone()


async def heard(tracks: list[Any]) -> tuple[int, float]:
    """The rate of what comes, and the frequency of its strongest tone."""
    await until(lambda: tracks, what="a track")
    frames = [await asyncio.wait_for(tracks[0].recv(), 10) for _ in range(60)][20:]
    sound = np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames]).astype(float)
    return frames[0].sample_rate, loudest(sound, frames[0].sample_rate)


@pytest.mark.parametrize(
    ("codec", "ours_offers", "rate", "frequency"),
    [("G722", True, 16000, 5000), ("G722", False, 16000, 5000), ("PCMU", True, 8000, 700), ("PCMA", False, 8000, 700)],
)
async def test_telephone_codecs(codec: str, ours_offers: bool, rate: int, frequency: int) -> None:
    """5 kHz are above what a telephone of 8 kHz lets through."""
    ours, theirs = RTCPeerConnection(), aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
    try:
        tracks: dict[Any, list[Any]] = {ours: [], theirs: []}
        for pc in tracks:
            pc.on("track", tracks[pc].append)
        offerer, answerer = (ours, theirs) if ours_offers else (theirs, ours)
        library, other = (rtcengine, aiortc) if ours_offers else (aiortc, rtcengine)
        sending = offerer.addTransceiver(tone(library, frequency))
        codecs = library.RTCRtpSender.getCapabilities("audio").codecs
        sending.setCodecPreferences([c for c in codecs if c.name == codec])
        await offerer.setLocalDescription(await offerer.createOffer())
        await answerer.setRemoteDescription(other.RTCSessionDescription(**vars(offerer.localDescription)))
        answerer.addTrack(tone(other, frequency))
        await answerer.setLocalDescription(await answerer.createAnswer())
        await offerer.setRemoteDescription(library.RTCSessionDescription(**vars(answerer.localDescription)))
        for got in await asyncio.gather(*map(heard, tracks.values())):
            assert got == (rate, pytest.approx(frequency, abs=10))
        assert {r["mimeType"] for r in (await ours.getStats()).values() if r["type"] == "codec"} == {f"audio/{codec}"}
    finally:
        await ours.close()
        await theirs.close()


async def test_whose_media_a_mixer_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    """CSRCs of packets, the latest first, of those who have fallen silent too, with their levels (RFC 6465). aiortc knows
    neither: both are put into what it writes."""
    serialize, mixed = aiortc.rtp.RtpPacket.serialize, [0x11111111, 0x22222222]
    write, levels, number = aiortc.rtp.pack_header_extensions, b"", 0

    def name(self: Any, *more: Any) -> Any:
        self.csrc = list(mixed)
        return serialize(self, *more)

    def tell(extensions: list[tuple[int, bytes]]) -> Any:
        return write([*extensions, *([(number, levels)] if levels else [])])

    ours, theirs = RTCPeerConnection(), aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
    try:
        tracks: list[Any] = []
        ours.on("track", tracks.append)
        ours.addTransceiver("audio")
        receiver = ours.getReceivers()[0]
        assert receiver.getContributingSources() == []
        await ours.setLocalDescription(await ours.createOffer())
        entry = re.search(rf"a=extmap:(\d+) {Extension.CSRC_AUDIO_LEVEL}\r\n", ours.localDescription.sdp)
        assert entry is not None
        number = int(entry[1])
        known = aiortc.RTCRtpHeaderExtensionParameters(id=number, uri=Extension.CSRC_AUDIO_LEVEL.value)
        monkeypatch.setitem(aiortc.codecs.HEADER_EXTENSIONS, "audio", [*aiortc.codecs.HEADER_EXTENSIONS["audio"], known])
        await theirs.setRemoteDescription(aiortc.RTCSessionDescription(**vars(ours.localDescription)))
        theirs.addTrack(tone(aiortc, 440))
        await theirs.setLocalDescription(await theirs.createAnswer())
        await ours.setRemoteDescription(rtcengine.RTCSessionDescription(**vars(theirs.localDescription)))
        await heard(tracks)
        assert receiver.getContributingSources() == []  # nobody is named
        monkeypatch.setattr(aiortc.rtp.RtpPacket, "serialize", name)
        monkeypatch.setattr(aiortc.rtp, "pack_header_extensions", tell)

        async def named(*sources: int) -> bool:
            await tracks[0].recv()
            return [one.source for one in receiver.getContributingSources()] == list(sources)

        await until(lambda: named(*mixed), what="both sources")
        first, second = receiver.getContributingSources()
        assert first.timestamp == second.timestamp and abs(first.timestamp - 1000 * time.time()) < 5000
        assert first.rtpTimestamp > 0 and first.audioLevel is None
        mixed[:], levels = [0x22222222, 0x33333333], bytes([20, 127])
        await until(lambda: named(0x22222222, 0x33333333, 0x11111111), what="a third, and the one who is silent now")
        latest, quiet, silent = receiver.getContributingSources()
        assert (latest.audioLevel, quiet.audioLevel, silent.audioLevel) == (pytest.approx(0.1), 0, None)
        assert latest.timestamp > silent.timestamp
        (source,) = receiver.getSynchronizationSources()
        assert source.timestamp >= latest.timestamp
    finally:
        await ours.close()
        await theirs.close()


async def test_how_loud_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 6464, both ways: a tone of 8000 of 32768 is at -15 dBov."""
    told: list[tuple[bool, int]] = []
    handle = aiortc.RTCRtpReceiver._handle_rtp_packet

    async def look(self: Any, packet: Any, *more: Any, **named: Any) -> None:
        if packet.extensions.audio_level is not None:
            told.append(packet.extensions.audio_level)
        await handle(self, packet, *more, **named)

    monkeypatch.setattr(aiortc.RTCRtpReceiver, "_handle_rtp_packet", look)
    ours, theirs = RTCPeerConnection(), aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
    try:
        tracks: list[Any] = []
        ours.on("track", tracks.append)
        ours.addTrack(tone(rtcengine, 440))
        await ours.setLocalDescription(await ours.createOffer())
        await theirs.setRemoteDescription(aiortc.RTCSessionDescription(**vars(ours.localDescription)))
        theirs.addTrack(tone(aiortc, 440))
        await theirs.setLocalDescription(await theirs.createAnswer())
        await ours.setRemoteDescription(rtcengine.RTCSessionDescription(**vars(theirs.localDescription)))
        await heard(tracks)
        (source,) = ours.getReceivers()[0].getSynchronizationSources()
        assert source.audioLevel == pytest.approx(10 ** (-15 / 20)) and source.voiceActivityFlag is False
        await until(lambda: len(told) > 50, what="packets of ours")
        assert {level for _, level in told[10:]} == {15}
    finally:
        await ours.close()
        await theirs.close()
