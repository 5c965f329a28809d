"""Decoders: what the encoders make comes back as pictures and sound; what is broken is said so."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest

from rtcengine.codecs.decode import DecodedStream, DecodeError, make_decoder
from rtcengine.codecs.encode import make_encoder
from rtcengine.codecs.opus import OpusEncoder
from rtcengine.frames import EncodedFrame, FrameShare
from rtcengine.media.pattern import Pattern, Tone, read_number


def encoded(data: bytes, timestamp: int, codec: str, *, key: bool = True, lost: int = 0, rate: int = 90000) -> EncodedFrame:
    return EncodedFrame(
        data=memoryview(data), timestamp=timestamp, clock_rate=rate, codec=codec, key=key, lost=lost, arrived=0.0
    )


@pytest.mark.parametrize("codec", ["VP8", "H264", "VP9", "AV1"])
def test_pictures(codec: str) -> None:
    encoder, pattern, decoder = make_encoder(codec), Pattern(320, 180), make_decoder(codec)
    shown = []
    for number in range(20):
        for data, time, key, *_ in encoder.encode(pattern.video_frame(number, 3000 * number), number == 0):
            for picture in decoder.decode(encoded(data, (1 << 32) + time, codec, key=key)):
                assert (picture.width, picture.height, picture.time_base) == (320, 180, Fraction(1, 90000))
                shown.append((picture.pts, read_number(picture.to_ndarray(format="gray"))))
    assert shown == [((1 << 32) + 3000 * n, n) for n in range(20)]  # each picture with the frame that holds it


@pytest.mark.parametrize("codec", ["VP8", "H264"])
def test_a_broken_picture_waits_for_a_key_frame(codec: str) -> None:
    encoder, pattern, decoder = make_encoder(codec), Pattern(320, 180), make_decoder(codec)
    frames = [encoder.encode(pattern.video_frame(n, 3000 * n), n in (0, 4))[0] for n in range(6)]
    assert [f.key for f in frames] == [True, False, False, False, True, False]
    assert decoder.decode(encoded(frames[1][0], 3000, codec, key=False)) == []  # nothing before the first key frame
    assert len(decoder.decode(encoded(frames[0][0], 0, codec))) == 1
    with pytest.raises(DecodeError, match=f"{codec} frame of 3 bytes"):
        decoder.decode(encoded(b"\x00\x01\x02", 3000, codec, key=False))
    assert decoder.decode(encoded(frames[2][0], 6000, codec, key=False)) == []
    assert [p.pts for p in decoder.decode(encoded(frames[4][0], 12000, codec))] == [12000]
    assert [p.pts for p in decoder.decode(encoded(frames[5][0], 15000, codec, key=False))] == [15000]


@pytest.mark.parametrize("channels", [1, 2])
def test_sound(channels: int) -> None:
    encoder, tone, decoder = OpusEncoder(channels=channels), Tone(channels=channels), make_decoder("opus", channels)
    heard = []
    for number in range(50):
        frame = encoded(encoder.encode(tone.samples(960)), 960 * number, "opus", rate=48000)
        (sound,) = decoder.decode(frame)
        assert (sound.samples, sound.sample_rate, sound.pts) == (960, 48000, 960 * number)
        assert sound.time_base == Fraction(1, 48000) and len(sound.layout.channels) == channels
        heard.append(sound.to_ndarray().reshape(-1, channels))
    level = np.concatenate(heard)[4800:].astype(float).std()
    assert level == pytest.approx(Tone(channels=channels).samples(48000)[4800:].astype(float).std(), rel=0.2)


def test_lost_sound_is_filled_in() -> None:
    encoder, tone, decoder = OpusEncoder(channels=1, loss=30), Tone(channels=1), make_decoder("opus", 1)
    packets = [encoder.encode(tone.samples(960)) for _ in range(140)]
    gone = {10, 20, 21, *range(30, 38), *range(60, 111)}
    times: list[int] = []
    lost = 0
    for number, packet in enumerate(packets):
        if number in gone:
            lost += 1
            continue
        sounds = decoder.decode(encoded(packet, 960 * number, "opus", lost=lost, rate=48000))
        times += [t for s in sounds for t in range(s.pts, s.pts + s.samples, 960)]
        lost = 0
    assert times == [960 * n for n in range(140) if not 60 <= n <= 110]  # more than a second is a gap that nothing fills


@pytest.mark.parametrize("codec", ["PCMU", "PCMA", "G722"])
@pytest.mark.parametrize("ms", [10, 20, 30])
def test_lost_telephone_sound_goes_on_and_fades(codec: str, ms: int) -> None:
    """Nearer to what was said than silence, without a gap, to nothing after 60 ms; more than a second is a gap."""
    clock, rate = 8000, 16000 if codec == "G722" else 8000
    encoder: Any = make_encoder(codec)
    encoder.set_packet_ms(ms)
    t = np.arange(4 * rate) / rate
    said = sum(3000 / k * np.sin(2 * np.pi * 140 * k * t) for k in (1, 2, 3, 5)) * (0.7 + 0.3 * np.sin(2 * np.pi * 2 * t))
    packets = []
    for at in range(0, len(t), rate // 50):
        frame = av.AudioFrame.from_ndarray(said[at : at + rate // 50].astype(np.int16).reshape(1, -1), "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, at, Fraction(1, rate)
        packets += [(found.data, found.timestamp) for found in encoder.encode(frame)]
    kept: dict[int, Any] = {}
    size, whole, cut = rate * ms // 1000, make_decoder(codec), make_decoder(codec)
    gone = {n for n in range(len(packets)) if n % 11 == 5} | {10 + n for n in range(200 // ms)}
    far, lost, times = [], 0, []
    for n, (data, time) in enumerate(packets):
        (want,) = whole.decode(encoded(data, time, codec, rate=clock))
        kept[n] = want.to_ndarray()[0].astype(float)
        if n in gone:
            lost += 1
            continue
        found = cut.decode(encoded(data, time, codec, lost=lost, rate=clock))
        assert cut.made_up == lost * size and len(found) == lost + 1
        times += [f.pts for f in found]
        for back, frame in enumerate(reversed(found[:-1]), start=1):
            made = frame.to_ndarray()[0].astype(float)
            if lost == 1:
                far.append(np.sum((made - kept[n - back]) ** 2) / np.sum(kept[n - back] ** 2))
            elif lost > 60 // ms and back < lost - 60 // ms:
                assert not made.any()
        lost = 0
    assert times == [size * n for n in range(len(times))]
    assert np.mean(far) < 0.6
    found = cut.decode(encoded(packets[0][0], packets[-1][1] + 8000 + 2 * ms * 8, codec, lost=1, rate=clock))
    assert len(found) == 1 and cut.made_up == 0


def test_broken_sound() -> None:
    with pytest.raises(DecodeError, match="Opus packet of 1 bytes"):
        make_decoder("opus").decode(encoded(b"\xff", 0, "opus", rate=48000))


@pytest.mark.parametrize(
    ("codec", "name", "rate", "delay"),
    [("PCMU", "pcm_mulaw", 8000, 0), ("PCMA", "pcm_alaw", 8000, 0), ("G722", "g722", 16000, 22)],
)
def test_telephone_codecs(codec: str, name: str, rate: int, delay: int) -> None:
    encoder: Any = av.CodecContext.create(name, "w")
    encoder.sample_rate, encoder.layout, encoder.format = rate, "mono", "s16"
    wave = (8000 * np.sin(np.arange(rate // 50) * 2000 / rate)).astype(np.int16).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
    frame.sample_rate = rate
    (packet,) = encoder.encode(frame)
    assert packet.size == 160
    (sound,) = make_decoder(codec).decode(encoded(bytes(packet), 1600, codec, rate=8000))
    assert (sound.samples, sound.sample_rate) == (rate // 50, rate)
    assert (sound.pts, sound.time_base) == (1600 * rate // 8000, Fraction(1, rate))
    shown = sound.to_ndarray().astype(int)[0]
    settled = 60 if delay else 0  # ADPCM follows a loud beginning
    assert np.abs(shown[delay:] - wave[0, : wave.size - delay])[settled:].max() < 400


def test_codecs_that_are_none() -> None:
    for codec in ("VP7", "", "H266"):
        with pytest.raises(ValueError, match="can be decoded"):
            make_decoder(codec)
    with pytest.raises(ValueError, match="channels must be 1 or 2"):
        make_decoder("opus", 3)


async def test_a_stream_decodes_beside_the_event_loop() -> None:
    encoder, pattern = make_encoder("VP8"), Pattern(320, 180)
    frames = [encoder.encode(pattern.video_frame(n, 3000 * n), n == 4)[0] for n in range(8)]
    waiting = [encoded(data, 3000 * n, "VP8", key=key) for n, (data, _, key, _) in enumerate(frames)]
    waiting[2] = encoded(b"\x00\x01\x02", 6000, "VP8", key=False)
    stream = FrameShare(lambda: waiting.pop(0) if waiting else None).open()
    errors: list[DecodeError] = []
    decoded = DecodedStream(stream, on_broken=errors.append)
    found = []
    async with asyncio.timeout(20):
        async for picture in decoded:
            found.append(picture.pts // 3000)
            if found[-1] == 7:
                stream.close()
    assert found == [0, 1, 4, 5, 6, 7]
    assert decoded.broken == len(errors) == 1
