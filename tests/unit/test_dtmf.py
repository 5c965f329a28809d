"""Keys of a telephone between two peers: the W3C's rules of who may send which, and what the other side hears of them."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

import pytest

from rtcengine import (
    AudioStreamTrack,
    DtmfTone,
    InvalidCharacterError,
    InvalidModificationError,
    InvalidStateError,
    RTCDTMFSender,
    RTCDTMFToneChangeEvent,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
    SyntheticMicrophone,
)
from rtcengine.media.tones import KEYS
from tests.unit.test_call import connected, gather_tracks, negotiate, take, two
from tests.util import until


def told(dtmf: RTCDTMFSender) -> list[str]:
    """The tones of its events, as they come."""
    found: list[str] = []
    dtmf.on("tonechange", lambda event: found.append(event.tone))
    return found


def keys_of(pc: RTCPeerConnection) -> list[DtmfTone]:
    """What comes by the connection's first receiver."""
    found: list[DtmfTone] = []
    pc.getReceivers()[0].track.on("dtmf", found.append)
    return found


async def call(a: RTCPeerConnection, b: RTCPeerConnection, codec: str = "opus") -> RTCDTMFSender:
    transceiver = a.addTransceiver(SyntheticMicrophone())
    known = RTCRtpSender.getCapabilities("audio").codecs
    transceiver.setCodecPreferences([c for c in known if c.name in (codec, "telephone-event")])
    assert not transceiver.sender.dtmf.canInsertDTMF
    with pytest.raises(InvalidStateError, match="canInsertDTMF"):
        transceiver.sender.dtmf.insertDTMF("1")
    await negotiate(a, b)
    await connected(a, b)
    return transceiver.sender.dtmf


@pytest.mark.parametrize(
    "codec", ["opus", pytest.param("PCMU", marks=pytest.mark.long), pytest.param("G722", marks=pytest.mark.long)]
)
async def test_all_keys_come_in_order(codec: str) -> None:
    """Beside the sound, which goes on after them; nothing of it counts as lost."""
    async with two() as (a, b):
        heard = gather_tracks(b)
        dtmf = await call(a, b, codec)
        keys, events = keys_of(b), told(dtmf)
        assert dtmf.canInsertDTMF and dtmf.toneBuffer == ""
        dtmf.insertDTMF("0123456789*#abcd", 60, 30)
        assert dtmf.toneBuffer == "0123456789*#ABCD"
        await until(lambda: events[-1:] == [""], what="the end of the tones")
        assert events == [*"0123456789*#ABCD", ""] and dtmf.toneBuffer == ""
        await until(lambda: len(keys) == 16, what="the last key")
        assert "".join(one.tone for one in keys) == "0123456789*#ABCD"
        assert [one.duration for one in keys] == [60] * 16 and {one.volume for one in keys} == {-10}
        await take(heard[0], 50)
        inbound = next(s for s in (await b.getStats()).values() if s["type"] == "inbound-rtp")
        assert inbound.packetsLost == 0 and inbound.jitter < 0.2


async def test_the_buffer_is_replaced_and_emptied() -> None:
    async with two() as (a, b):
        dtmf = await call(a, b)
        keys, events = keys_of(b), told(dtmf)
        dtmf.insertDTMF("123456789")
        await until(lambda: events == ["1"], what="the first tone")
        assert dtmf.toneBuffer == "23456789"
        dtmf.insertDTMF("A", 40, 30)
        await until(lambda: events == ["1", "A"], what="the other tone")
        dtmf.insertDTMF("")
        await until(lambda: events == ["1", "A", ""], what="the end")
        await until(lambda: len(keys) == 2, what="both")
        assert keys == [DtmfTone("1", 100, -10), DtmfTone("A", 40, -10)]
        dtmf.insertDTMF("")  # nothing was under way: nothing is told
        dtmf.insertDTMF("7")
        await until(lambda: events[3:] == ["7", ""], what="one more")


async def test_durations_are_made_to_fit() -> None:
    async with two() as (a, b):
        dtmf = await call(a, b)
        keys, events = keys_of(b), told(dtmf)
        dtmf.insertDTMF("1", 1, 1)
        await until(lambda: events == ["1", ""], what="a tone")
        dtmf.insertDTMF("2", 1500, 30)
        await until(lambda: len(keys) == 2, what="a long one")
        assert [one.duration for one in keys] == [40, 1500]  # longer than the field of 48 kHz holds
        dtmf.insertDTMF("3", 100_000, 100_000)
        await until(lambda: events[-1] == "3", what="a longer one")
        assert (dtmf._duration_ms, dtmf._gap_ms) == (6000, 6000)
        # What begins while it goes on ends it.
        assert a.getSenders()[0]._peer is a
        a.getSenders()[0].send_tone(KEYS.index("4"), 40)
        await until(lambda: len(keys) == 4, what="the next one")
        assert keys[2].tone == "3" and keys[2].duration < 6000 and keys[3] == DtmfTone("4", 40, -10)


async def test_a_comma_waits_two_seconds() -> None:
    async with two() as (a, b):
        dtmf = await call(a, b)
        keys, times = keys_of(b), []
        dtmf.ontonechange = lambda event: times.append((event, time.monotonic()))
        dtmf.insertDTMF("1,2", 40, 30)
        await until(lambda: len(times) == 4, what="all")
        assert [event for event, _ in times] == [RTCDTMFToneChangeEvent(tone) for tone in ("1", ",", "2", "")]
        assert times[2][1] - times[1][1] >= 1.99
        await until(lambda: len(keys) == 2, what="two keys")


async def test_a_program_that_blocks_does_not_bend_a_tone() -> None:
    """The engine's thread sends what a tone is made of."""
    async with two() as (a, b):
        dtmf = await call(a, b)
        keys, events = keys_of(b), told(dtmf)
        dtmf.insertDTMF("5", 200)
        await until(lambda: events == ["5"], what="the tone")
        await asyncio.sleep(0.05)
        time.sleep(0.5)  # noqa: ASYNC251  # nothing else of this event loop runs
        await until(lambda: len(keys) == 1, what="the key")
        assert keys == [DtmfTone("5", 200, -10)]


async def test_characters_that_are_no_keys() -> None:
    async with two() as (a, b):
        dtmf = await call(a, b)
        for text in ("E", "1 2", "1;", "é", "١"):
            with pytest.raises(InvalidCharacterError, match="no key of a telephone"):
                dtmf.insertDTMF(text)
        assert dtmf.toneBuffer == ""


async def test_who_may_not_send() -> None:
    async with two() as (a, b):
        assert a.addTransceiver("video").sender.dtmf is None
        sender = a.addTransceiver(AudioStreamTrack()).sender
        dtmf = sender.dtmf
        assert dtmf is sender.dtmf and isinstance(dtmf, RTCDTMFSender)
        await negotiate(a, b)
        await connected(a, b)
        assert dtmf.canInsertDTMF
        track = sender.track
        sender.replaceTrack(None)
        assert not dtmf.canInsertDTMF
        sender.replaceTrack(track)
        parameters = sender.getParameters()
        assert [c.mimeType for c in parameters.codecs][-2:] == ["audio/telephone-event"] * 2
        parameters.encodings[0].active = False
        await sender.setParameters(parameters)
        assert not dtmf.canInsertDTMF
        parameters = sender.getParameters()
        parameters.encodings[0].active = True
        await sender.setParameters(parameters)
        dtmf.insertDTMF("123")
        events = told(dtmf)
        transceiver = next(t for t in a.getTransceivers() if t.sender is sender)
        transceiver.direction = "recvonly"
        await negotiate(a, b)
        assert not dtmf.canInsertDTMF
        with pytest.raises(InvalidStateError):
            dtmf.insertDTMF("1")
        await until(lambda: dtmf._next is None, what="the playout's end")
        assert "" not in events and dtmf.toneBuffer  # as the W3C has it: aborted, nothing told
        transceiver.direction = "sendrecv"
        await negotiate(a, b)
        assert dtmf.canInsertDTMF
        await a.close()
        assert not dtmf.canInsertDTMF


async def test_a_peer_that_takes_none() -> None:
    """aiortc, for one: its answers have no telephone events."""
    async with two() as (a, b):
        dtmf = a.addTransceiver(AudioStreamTrack()).sender.dtmf
        await a.setLocalDescription()
        await b.setRemoteDescription(a.localDescription)
        known = RTCRtpSender.getCapabilities("audio").codecs
        b.getTransceivers()[0].setCodecPreferences([c for c in known if c.name == "opus"])
        await b.setLocalDescription()
        await a.setRemoteDescription(b.localDescription)
        await connected(a, b)
        assert not dtmf.canInsertDTMF


@pytest.mark.parametrize(("rates", "used"), [((48000, 8000), 48000), ((8000, 48000), 48000), ((8000,), 8000)])
async def test_the_clock_of_the_events(rates: tuple[int, ...], used: int) -> None:
    """That of the codec, else whichever there is: Firefox has 8000 alone beside Opus."""
    async with two() as (a, b):
        dtmf = a.addTransceiver(AudioStreamTrack()).sender.dtmf
        await a.setLocalDescription()
        await b.setRemoteDescription(a.localDescription)
        known = RTCRtpSender.getCapabilities("audio").codecs
        tones = [c for rate in rates for c in known if c.name == "telephone-event" and c.clockRate == rate]
        b.getTransceivers()[0].setCodecPreferences([known[0], *tones])
        await b.setLocalDescription()
        await a.setRemoteDescription(b.localDescription)
        await connected(a, b)
        outgoing = next(iter(a.driver.outgoing.values()))
        assert outgoing.layers[0].sender.config.tones.rate == used
        keys = keys_of(b)
        dtmf.insertDTMF("9", 80)
        await until(lambda: len(keys) == 1, what="the key")
        assert keys == [DtmfTone("9", 80, -10)]


async def test_what_is_offered_and_answered() -> None:
    async with two() as (a, b):
        a.addTransceiver("audio")
        await a.setLocalDescription()
        offer = a.localDescription.sdp
        assert re.findall(r"a=rtpmap:(\d+) telephone-event/(\d+)", offer) == [("110", "48000"), ("126", "8000")]
        # Firefox's spelling, with another number.
        theirs = re.sub(r"126 telephone-event/8000", "101 telephone-event/8000/1", offer).replace(" 126", " 101")
        theirs = re.sub(r"a=rtpmap:110 [^\r]*\r\n", "a=fmtp:101 0-15\r\n", theirs).replace(" 110", "")
        await b.setRemoteDescription(RTCSessionDescription(theirs, "offer"))
        await b.setLocalDescription()
        assert re.findall(r"a=rtpmap:(\d+) telephone-event/(\d+)", b.localDescription.sdp) == [("101", "8000")]


async def test_events_alone_are_no_media() -> None:
    async with two() as (a, b):
        transceiver = a.addTransceiver("audio")
        known = RTCRtpSender.getCapabilities("audio").codecs
        with pytest.raises(InvalidModificationError, match="no codec with media"):
            transceiver.setCodecPreferences([c for c in known if c.name == "telephone-event"])
        await a.setLocalDescription()
        text = a.localDescription.sdp
        for name in ("opus", "G722", "PCMU", "PCMA"):
            text = text.replace(f" {name}/", f" x{name}/")
        text = re.sub(r"(m=audio \d+ \S+) .*?\r", r"\1 110 126 111\r", text)
        await b.setRemoteDescription(RTCSessionDescription(text, "offer"))
        await b.setLocalDescription()
        assert "m=audio 0 " in b.localDescription.sdp


async def test_handlers_are_attributes_too() -> None:
    async with two() as (a, b):
        dtmf = await call(a, b)
        found: list[Any] = []
        b.getReceivers()[0].track.ondtmf = found.append
        dtmf.insertDTMF("#", 40, 30)
        await until(lambda: found == [DtmfTone("#", 40, -10)], what="the key")
