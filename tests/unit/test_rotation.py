"""How pictures are turned (video-orientation, 3GPP TS 26.114 §7.4.5, RFC 7742 §4): told, forwarded, undone, and in files."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from rtcengine.codecs.about import UNKNOWN, About, about, tell
from rtcengine.codecs.upright import Upright, upright
from rtcengine.contrib.media import MediaPlayer
from rtcengine.media.mux import Muxer
from rtcengine.media.receive import RemoteTrack
from rtcengine.media.track import MediaStreamTrack, VideoStreamTrack
from rtcengine.rtp import Extension
from tests.unit.engine_pair import DELTA_FRAME, KEY_FRAME, MID, VIDEO, relayed
from tests.unit.media_kit import take, wire
from tests.unit.test_call import connected, gather_tracks, negotiate, two
from tests.unit.test_record import pictures

ORIENTATION = Extension.VIDEO_ORIENTATION.value
TURNED = [(None, False), (0, False), (90, False), (180, True), (270, False), (0, True)]


def corner(turned: int = 0, width: int = 64, height: int = 48) -> av.VideoFrame:
    """A picture whose upper left quarter is bright when it is upright, turned so that `turned` degrees clockwise make it so."""
    shown = np.full((height, width, 3), 30, np.uint8)
    shown[: height // 2, : width // 2] = 220
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(np.rot90(shown, turned // 90)), format="rgb24")
    frame = frame.reformat(format="yuv420p")
    frame.pts, frame.time_base = 0, Fraction(1, 90_000)
    tell(frame, About(rotation=turned))
    return frame


def is_upright(frame: av.VideoFrame, width: int = 64, height: int = 48) -> bool:
    assert (frame.width, frame.height) == (width, height)
    gray = frame.to_ndarray(format="gray").astype(int)
    bright, others = gray[height // 4, width // 4], [gray[height // 4, -8], gray[-8, width // 4], gray[-8, -8]]
    return bool(bright > 180 and max(others) < 80)


@pytest.mark.parametrize("turned", [0, 90, 180, 270])
def test_pictures_are_turned(turned: int) -> None:
    frame = corner(turned)
    made = upright(frame)
    assert is_upright(made) and about(made).rotation == 0 and (made is frame) == (turned == 0)
    assert about(frame).rotation == turned


def test_a_phone_is_turned_under_way() -> None:
    turn = Upright()
    for number, turned in enumerate([90, 90, 0, 270, 180, 90]):
        frame = corner(turned)
        frame.pts = 3000 * number
        made = turn(frame)
        assert is_upright(made) and made.pts == 3000 * number and made.time_base == Fraction(1, 90_000)


@pytest.mark.parametrize("agreed", [True, False])
async def test_what_is_told_comes(agreed: bool) -> None:
    """From sender to receiver, and by way of a relay to a viewer; only where both have agreed."""
    told = frozenset({MID, ORIENTATION} if agreed else {MID})
    async with relayed(VIDEO, {4: MID, 6: ORIENTATION}, told) as (source, came, seen):
        frames = came.frames(), seen.frames()
        for number, (rotation, mirrored) in enumerate(TURNED):
            data = DELTA_FRAME if number else KEY_FRAME
            source.send_frame(data, 3000 * number, not number, rotation=rotation, mirrored=mirrored)
        async with asyncio.timeout(20):
            for stream in frames:
                found = [(f.rotation, f.mirrored) for f in [await anext(stream) for _ in TURNED]]
                assert found == [(rotation or 0, mirrored) if agreed else (0, False) for rotation, mirrored in TURNED]
        with pytest.raises(ValueError, match="45 degrees"):
            source.send_frame(KEY_FRAME, 0, True, rotation=45)


class Phone(VideoStreamTrack):
    """Its user turns it at every tenth picture, and begins on the side."""

    def __init__(self) -> None:
        super().__init__()
        self.given = 0

    async def recv(self) -> Any:
        pts, time_base = await self.next_timestamp()
        frame = corner((90 + self.given // 10 * 90) % 360, 160, 120)
        self.given += 1
        frame.pts, frame.time_base = pts, time_base
        return frame


def without(sdp: str, uri: str) -> str:
    return re.sub(rf"a=extmap:\d+ {re.escape(uri)}\r\n", "", sdp)


def turned_track(tracks: list[MediaStreamTrack]) -> RemoteTrack:
    (track,) = tracks
    assert isinstance(track, RemoteTrack)
    return track


async def test_a_phones_pictures_come_upright() -> None:
    """As they are to who wants that, with how they are turned."""
    async with two() as (a, b):
        seen = gather_tracks(b)
        a.addTrack(Phone())
        await negotiate(a, b)
        assert ORIENTATION in a.localDescription.sdp and ORIENTATION in b.localDescription.sdp
        await connected(a, b)
        track = turned_track(seen)
        for frame in await take(track, 45):
            assert is_upright(frame, 160, 120) and about(frame).rotation == 0
        track.upright = False
        found: set[int] = set()
        async with asyncio.timeout(30):
            while found != {0, 90, 180, 270}:
                frame: Any = await track.recv()
                turned = about(frame).rotation
                found.add(turned)
                assert is_upright(upright(frame), 160, 120) and (frame.width < frame.height) == (turned in (90, 270))


async def test_for_a_peer_that_does_not_agree_pictures_are_turned_before() -> None:
    async with wire("VP8") as pair:
        assert ORIENTATION not in pair.sender.config.extensions
        pair.pump.set_track(Phone())
        for frame in await take(pair.remote, 25):
            assert is_upright(frame, 160, 120) and about(frame) == replace(about(frame), rotation=0)


# A track header's matrix (ISO 14496-12 §8.3.2): a picture as it is, and one that was recorded with the phone on its side.
STRAIGHT = bytes.fromhex("00010000 00000000 00000000 00000000 00010000 00000000 00000000 00000000 40000000")
ON_ITS_SIDE = bytes.fromhex("00000000 00010000 00000000 ffff0000 00000000 00000000 00000000 00000000 40000000")


def record_by_phone(path: Path) -> str:
    with av.open(str(path), "w") as file:
        stream: Any = file.add_stream("libx264", rate=30, width=48, height=64, pix_fmt="yuv420p", options={"bf": "0"})
        for _ in range(10):
            frame = corner(90)
            frame.pts = None
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    whole = path.read_bytes()
    at = whole.rindex(STRAIGHT)  # the movie's header has one too
    path.write_bytes(whole[:at] + ON_ITS_SIDE + whole[at + len(STRAIGHT) :])
    return str(path)


async def test_a_phones_file_is_played_upright(tmp_path: Path) -> None:
    file = record_by_phone(tmp_path / "phone.mp4")
    with av.open(file) as opened:
        as_it_is = next(opened.decode(video=0))
        assert about(as_it_is).rotation == 90 and not about(as_it_is).captured
        assert about(upright(as_it_is)).rotation == 0 and upright(as_it_is).rotation == 0
    player = MediaPlayer(file)
    assert player.video is not None
    frames: Any = await take(player.video, 10)
    assert all(is_upright(frame) and frame.rotation == 0 for frame in frames)
    player.video.stop()


def test_a_recording_is_turned_as_it_began(tmp_path: Path) -> None:
    """What is written as it comes says so in the file, where PyAV can."""
    path = str(tmp_path / "a.mp4")
    muxer = Muxer(path)
    frames = [replace(frame, rotation=90) for frame in pictures("h264", 5)]
    muxer.begin(frames[:1])
    for frame in frames:
        muxer.write(0, frame)
    muxer.close()
    able = hasattr(av.video.stream.VideoStream, "set_display_rotation")
    with av.open(path) as file:
        assert about(next(file.decode(video=0))).rotation == (90 if able else 0)


def test_nothing_is_known_of_most() -> None:
    assert about(av.VideoFrame(16, 16, "yuv420p")) is UNKNOWN
    assert about(av.AudioFrame(format="s16", layout="mono", samples=10)) is UNKNOWN
    one, known = corner(), About(5.0, 6.0, 270)
    other = corner()
    for frame in (one, other):
        tell(frame, known)
    del one  # which does not take the other's with it
    assert about(other) == known
