"""Tracks: what aiortc's do, ours do, and the two synthetic ones."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from typing import Any

import aiortc.mediastreams
import numpy as np
import pytest

from rtcengine.media import track as ours
from rtcengine.media.devices.errors import OverconstrainedError
from rtcengine.media.pattern import read_number
from rtcengine.media.synthetic import SyntheticCamera, SyntheticMicrophone
from tests.unit.media_kit import Listed, take


@pytest.mark.parametrize("name", ["AudioStreamTrack", "VideoStreamTrack"])
async def test_the_silent_and_the_green_are_as_aiortc_has_them(name: str) -> None:
    pair = [getattr(module, name)() for module in (ours, aiortc.mediastreams)]
    for _ in range(3):
        mine, theirs = await asyncio.gather(*(track.recv() for track in pair))
        assert (mine.pts, mine.time_base, mine.format.name) == (theirs.pts, theirs.time_base, theirs.format.name)
        assert np.array_equal(mine.to_ndarray(), theirs.to_ndarray())
    for track in pair:
        track.stop()
    with pytest.raises(ours.MediaStreamError):
        await pair[0].recv()


async def test_stop_acts_at_once_and_tells_once() -> None:
    track, ended = ours.VideoStreamTrack(), []
    track.on("ended", lambda: ended.append(track.readyState))
    assert (track.readyState, track.enabled, track.muted, track.kind) == ("live", True, False, "video")
    assert len(track.id) == 36 and track.id != ours.VideoStreamTrack().id
    track.stop()
    assert track.readyState == "ended" and ended == ["ended"]
    await track.stop()
    assert ended == ["ended"] and not track.listeners("ended")


async def test_mute_is_told_when_it_changes() -> None:
    track, told = ours.AudioStreamTrack(), []
    track.on("mute", lambda: told.append("mute"))
    track.on("unmute", lambda: told.append("unmute"))
    for muted in (False, True, True, False):
        track._set_muted(muted)
        assert track.muted is muted
    assert told == ["mute", "unmute"]


async def test_a_subclass_of_aiortcs_making() -> None:
    class Flag(ours.MediaStreamTrack):
        kind = "video"

        async def recv(self) -> Any:
            raise ours.MediaStreamError

    with pytest.raises(ours.MediaStreamError):
        await Flag().recv()
    with pytest.raises(TypeError):
        ours.MediaStreamTrack()  # type: ignore[abstract]


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [("video", ["motion", "detail", "text", ""], ["music", "Motion", None]), ("audio", ["speech", "music", ""], ["text", 3])],
)
async def test_content_hints_are_those_of_the_kind(kind: str, good: list[str], bad: list[Any]) -> None:
    track = Listed(kind, [])
    assert track.contentHint == ""
    for hint in good:
        track.contentHint = hint
        assert track.contentHint == hint
    for hint in bad:
        with pytest.raises(TypeError, match=f"contentHint of {kind}"):
            track.contentHint = hint
    assert track.contentHint == good[-1]


async def test_a_track_of_no_device_has_nothing_to_constrain() -> None:
    track = ours.VideoStreamTrack()
    assert (track.label, track.error, track.getSettings(), track.getCapabilities(), track.getConstraints()) == (
        "",
        None,
        {},
        {},
        {},
    )
    await track.applyConstraints({"width": 320, "advanced": [{"height": 240}]})
    with pytest.raises(OverconstrainedError) as refused:
        await track.applyConstraints({"width": {"max": 320}})
    assert refused.value.constraint == "width"


async def test_clones_of_a_track_read_what_it_reads() -> None:
    track = Listed("audio", list(range(20)))
    one = track.clone()
    two = one.clone()
    assert len({track.id, one.id, two.id}) == 3 and (one.kind, one.readyState) == ("audio", "live")
    found = await asyncio.gather(take(one, 5), take(two, 5), take(track, 5))
    assert found == [[0, 1, 2, 3, 4]] * 3
    two.stop()
    assert (await take(one, 1), track.readyState) == ([5], "live")
    ended: list[str] = []
    one.on("ended", lambda: ended.append("ended"))
    track.stop()
    assert (one.readyState, ended) == ("ended", ["ended"])
    with pytest.raises(ours.MediaStreamError):
        await track.recv()
    assert track.clone().readyState == "ended"


async def test_a_clone_ends_with_its_source() -> None:
    track = Listed("audio", [0, 1], ends=True)
    clone = track.clone()
    assert await take(clone, 2) == [0, 1]
    with pytest.raises(ours.MediaStreamError):
        await clone.recv()
    assert clone.readyState == "ended"


def test_time_bases() -> None:
    eighth, thirtieth, ninetieth = Fraction(1, 8000), Fraction(1, 30), Fraction(1, 90000)
    for pts, a, b in ((160, eighth, Fraction(1, 48000)), (7, thirtieth, ninetieth), (5, thirtieth, thirtieth)):
        assert ours.convert_timebase(pts, a, b) == aiortc.mediastreams.convert_timebase(pts, a, b) == pts * a / b


async def test_the_camera_numbers_its_pictures() -> None:
    camera, before = SyntheticCamera(320, 240, 60), -1
    for _ in range(5):
        frame = await camera.recv()
        assert (frame.width, frame.height) == (320, 240)
        number = read_number(frame.to_ndarray()[:240])
        assert before < number == camera.number and frame.time == pytest.approx(number / 60)
        before = number
    camera.stop()
    with pytest.raises(ours.MediaStreamError):
        await camera.recv()
    with pytest.raises(ValueError, match="fps"):
        SyntheticCamera(fps=0)


@pytest.mark.parametrize("channels", [1, 2])
async def test_the_microphone_goes_on_without_a_break(channels: int) -> None:
    microphone = SyntheticMicrophone(channels)
    frames = [await microphone.recv() for _ in range(4)]
    assert [frame.pts for frame in frames] == [0, 960, 1920, 2880]
    assert all(frame.samples == 960 and frame.sample_rate == 48000 for frame in frames)
    sound = np.concatenate([frame.to_ndarray().reshape(-1, channels) for frame in frames]).astype(int)
    assert np.abs(sound).max() > 1000 and np.abs(np.diff(sound, axis=0)).max() < 3000
    with pytest.raises(ValueError, match="channels"):
        SyntheticMicrophone(3)
