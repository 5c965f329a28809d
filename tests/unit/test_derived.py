"""Tracks made of others: by FFmpeg's filters, by functions; how they end, what they know, and that nothing waits for them."""

from __future__ import annotations

import asyncio
import threading
import time
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest

from rtcengine import SyntheticCamera, SyntheticMicrophone
from rtcengine.codecs.about import About, about, captured_at, tell
from rtcengine.codecs.filters import MOST_PICTURES, MOST_SOUNDS, STAND_INS, FilterText, FrameFilter
from rtcengine.media.arrays import image, picture_of
from rtcengine.media.track import MediaStreamError, MediaStreamTrack
from tests.unit.media_kit import Listed, loudest, take
from tests.util import until


def picture(number: int = 0, width: int = 64, height: int = 48, form: str = "yuv420p") -> av.VideoFrame:
    """Dark at the left, bright at the right, and brighter with its number."""
    shown = np.full((height * 3 // 2, width), 128, np.uint8)
    shown[:height, : width // 2], shown[:height, width // 2 :] = 30 + number % 50, 200 + number % 50
    frame = av.VideoFrame.from_ndarray(shown, format="yuv420p").reformat(format=form)
    frame.pts, frame.time_base = 3000 * number, Fraction(1, 90_000)
    return frame


def pictures(count: int, **more: Any) -> list[av.VideoFrame]:
    return [picture(number, **more) for number in range(count)]


def sound(count: int, rate: int = 48000, form: str = "s16") -> list[av.AudioFrame]:
    """A tone of 440 Hz, 20 ms each."""
    found, size = [], rate // 50
    for number in range(count):
        wave = 8000 * np.sin(2 * np.pi * 440 * (number * size + np.arange(size)) / rate)
        samples = wave.astype(np.int16) if form == "s16" else (wave / 32768).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format=form, layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, number * size, Fraction(1, rate)
        found.append(frame)
    return found


def luma(frame: av.VideoFrame) -> np.ndarray:
    return frame.to_ndarray(format="gray").astype(int)


async def everything(track: MediaStreamTrack) -> list[Any]:
    found = []
    async with asyncio.timeout(30):
        while True:
            try:
                found.append(await track.recv())
            except MediaStreamError:
                return found


def threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("rtc-process")]


# --- what filters do


@pytest.mark.parametrize(
    ("text", "size", "mirrored"),
    [
        ("null", (64, 48), False),
        ("scale=32:-2,hflip", (32, 24), True),
        ("crop=32:24", (32, 24), False),
        ("transpose=1", (48, 64), None),
        ("scale@small=w='min(40,iw)':h=30", (40, 30), False),
        ("[in] hflip [out]", (64, 48), True),
        (" split [a][b] ; [b] hflip [c] ; [a][c] vstack ", (64, 96), None),
        ("format=rgb24", (64, 48), False),
        (r"drawbox=x=0:y=0:w=4\:h=4", (64, 48), False),
    ],
)
async def test_pictures(text: str, size: tuple[int, int], mirrored: bool | None) -> None:
    made = Listed("video", pictures(8), ends=True).filter(text)
    found = await everything(made)
    assert made.readyState == "ended" and made.error is None
    assert found and {(f.width, f.height) for f in found} == {size}
    for frame in found:
        assert frame.time_base == Fraction(1, 90_000) and frame.pts % 3000 == 0
        if mirrored is not None:
            shown = luma(frame)[size[1] // 2]
            assert (shown[8] > shown[-8]) == mirrored


async def test_sound() -> None:
    """Of any format, and with what a filter holds back at the end."""
    for form in ("s16", "flt"):
        source = Listed("audio", sound(50, form=form), ends=True, pace=0.001)
        made = source.filter("volume=0.5,aresample=16000,asetnsamples=n=320")
        found = await everything(made)
        assert {f.sample_rate for f in found} == {16000} and sum(f.samples for f in found) == pytest.approx(16000, abs=640)
        wave = np.concatenate([f.to_ndarray().reshape(-1).astype(float) for f in found[5:-5]])
        assert loudest(wave, 16000) == pytest.approx(440, abs=5)
        assert np.abs(wave).max() == pytest.approx(4000 / 32768, rel=0.05)


async def test_sound_becomes_a_picture() -> None:
    made = Listed("audio", sound(50), ends=True, pace=0.001).filter("showwaves=size=96x64:rate=25")
    assert made.kind == "video"
    found = await everything(made)
    assert found and all((f.width, f.height) == (96, 64) for f in found)


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("", "video", "no filter is named"),
        ("hflip,,vflip", "video", "without a name"),
        ("hflip,", "video", "without a name"),
        ("hflip,nonsense=1", "video", "'nonsense=1': no filter nonsense"),
        ("scale=breadth=3", "video", "'scale=breadth=3': Option not found"),
        ("hflip,aecho", "video", "'aecho' does not take what 'hflip' gives"),
        ("hflip", "audio", "'hflip' does not take"),
        ("hstack", "video", "2 ways in"),
        ("split", "video", "2 ways out"),
        ("color", "video", "0 ways in"),
        ("nullsink", "video", "0 ways out"),
        ("hflip[a];[b]vflip", "video", "2 ways in"),
        ("[a][b]hflip", "video", "1 inputs"),
        ("hflip[a];[a]vflip[a]", "video", r"\[a\] is there already"),
        ("[a hflip", "video", "no label"),
        ("hflip]", "video", "comma or a semicolon"),
    ],
)
def test_what_cannot_be(text: str, kind: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Listed(kind, []).filter(text)


@pytest.mark.parametrize("name", STAND_INS)
def test_stand_ins_are_named(name: str) -> None:
    """For what PyAV's FFmpeg has not; one that has it needs none."""
    other = STAND_INS[name]
    assert other in av.filter.filters_available
    if name in av.filter.filters_available:
        FilterText(name, "video")
    else:
        with pytest.raises(ValueError, match=f"filter '{name}=1.*PyAV's FFmpeg has no {name}, .* {other} stands in for it"):
            Listed("video", []).filter(f"hflip,{name}=1")


async def test_what_does_not_fit_ends_it() -> None:
    """Which is known with the first frame, or with a later one."""
    source = Listed("video", [picture(0), picture(1, 16, 16)], ends=True)
    made = source.filter("crop=32:32")
    ended: list[str] = []
    made.on("ended", lambda: ended.append("ended"))
    assert len(await everything(made)) == 1
    assert isinstance(made.error, ValueError) and "crop=32:32' does not fit video of 16x16" in str(made.error)
    assert ended == ["ended"] and source.readyState == "live"
    with pytest.raises(MediaStreamError, match="crop=32:32"):
        await made.recv()


def test_made_anew_for_another_form() -> None:
    passes = FrameFilter(FilterText("atadenoise=s=5,hflip", "video"))  # holds some back
    given = [*pictures(5), *(picture(n, 32, 24, "rgb24") for n in range(5, 10)), *(picture(n) for n in range(10, 12))]
    found = [out for frame in given for out in passes.put(frame)] + passes.end()
    assert [(f.width, f.height) for f in found] == [(64, 48)] * 5 + [(32, 24)] * 5 + [(64, 48)] * 2
    assert passes.end() == []
    assert passes.put(picture(0)) + passes.end() != []


def test_what_has_no_end_is_bounded() -> None:
    """A source within the filters that goes on for ever."""
    passes = FrameFilter(FilterText("nullsink;color=size=16x16", "video"))
    assert len(passes.put(picture())) == len(passes.end()) == MOST_PICTURES
    passes = FrameFilter(FilterText("anullsink;sine", "audio"))
    assert len(passes.put(sound(1)[0])) == len(passes.end()) == MOST_SOUNDS


def test_what_is_given_is_not_changed() -> None:
    """Others read it."""
    frame = picture()
    before = frame.to_ndarray()
    passes = FrameFilter(FilterText("drawbox=color=white:t=fill,hflip", "video"))
    (out,) = passes.put(frame)
    assert (luma(out) > 220).all() and (frame.to_ndarray() == before).all() and frame.pts == 0


@pytest.mark.parametrize("text", ["hflip", "scale=32:24", "split[a][b];[a][b]hstack"])
def test_what_is_known_goes_through(text: str) -> None:
    passes = FrameFilter(FilterText(text, "video"))
    for number in range(3):
        frame = picture(number)
        tell(frame, About(1000.0 + number, None, 90))
        (out,) = passes.put(frame)
        assert about(out) == About(1000.0 + number, None, 90)
        del frame
        assert about(out).capture_time == 1000.0 + number


# --- functions


async def test_map() -> None:
    """On a thread, with the other's time; None leaves a frame out."""
    where: list[str] = []

    def invert(frame: av.VideoFrame) -> av.VideoFrame | None:
        where.append(threading.current_thread().name)
        return picture_of(255 - image(frame)) if frame.pts != 6000 else None

    given = pictures(5)
    for frame in given:
        tell(frame, captured_at(time.monotonic()))
    found = await everything(Listed("video", given, ends=True).map(invert))
    assert 6000 not in [f.pts for f in found] and all(f.pts % 3000 == 0 and f.time_base == given[0].time_base for f in found)
    assert all(name.startswith("rtc-process") for name in where) and luma(found[0])[10, 5] > 200
    assert about(found[0]) == about(next(f for f in given if f.pts == found[0].pts))


async def test_map_by_a_coroutine() -> None:
    async def same(frame: Any) -> Any:
        await asyncio.sleep(0)
        assert threading.current_thread() is threading.main_thread()
        return frame

    given = sound(5)
    assert await everything(Listed("audio", given, ends=True).map(same)) == given


@pytest.mark.parametrize("awaited", [True, False])
@pytest.mark.parametrize("makes", ["an error", "no frame", "sound"])
async def test_map_that_fails(awaited: bool, makes: str, caplog: pytest.LogCaptureFixture) -> None:
    def work(frame: Any) -> Any:
        if makes == "an error":
            raise KeyError("no such face")
        return 5 if makes == "no frame" else sound(1)[0]

    async def work_later(frame: Any) -> Any:
        return work(frame)

    source = Listed("video", pictures(5))
    made = source.map(work_later if awaited else work)
    with pytest.raises(MediaStreamError):
        await take(made, 1)
    assert isinstance(made.error, KeyError if makes == "an error" else TypeError) and made.readyState == "ended"
    assert source.readyState == "live" and "ends" in caplog.text
    with pytest.raises(TypeError):
        source.map(5)  # type: ignore[arg-type]


# --- beside others, and the end


async def test_stopping_it_leaves_the_other_alone() -> None:
    camera = SyntheticCamera(160, 120, 30)
    made, again = camera.filter("hflip"), camera.map(lambda frame: frame)
    chained = made.filter("vflip")
    await take(chained, 2)
    await take(again, 2)
    made.stop()
    assert chained.readyState == made.readyState == "ended" and camera.readyState == again.readyState == "live"
    with pytest.raises(MediaStreamError):
        await chained.recv()
    await take(again, 2)
    await take(camera, 2)
    ended: list[str] = []
    again.on("ended", lambda: ended.append("again"))
    camera.stop()
    assert again.readyState == "ended" and ended == ["again"]  # nobody reads it: at once
    assert camera.filter("hflip").readyState == "ended"
    await until(lambda: not threads(), what="the end of the threads")


async def test_nothing_is_left_at_a_track_that_goes_on() -> None:
    source = Listed("video", pictures(100), pace=0.001)
    await take(source.filter("hflip"), 1)  # whoever reads first makes what all read by
    before = {event: len(source.listeners(event)) for event in ("ended", "mute", "unmute")}
    for _ in range(3):
        for made in (source.filter("hflip"), source.map(lambda frame: frame), source.clone()):
            await take(made, 1)
            made.stop()
    assert {event: len(source.listeners(event)) for event in before} == before


async def test_who_waits_is_told_of_the_end() -> None:
    source = Listed("video", [])
    made = source.filter("hflip")
    waiting = asyncio.ensure_future(made.recv())
    await asyncio.sleep(0)
    source.error = OSError("unplugged")
    source.stop()
    with pytest.raises(MediaStreamError, match="unplugged"):
        await asyncio.wait_for(waiting, 10)
    assert made.readyState == "ended" and made.error is source.error


async def test_disabled_and_muted() -> None:
    source = Listed("video", pictures(200), pace=0.005)
    made = source.filter("hflip")
    assert luma((await take(made, 1))[0]).max() > 190
    source.enabled = False

    async def black() -> bool:
        return bool(luma((await take(made, 1))[0]).max() < 30)

    await until(black, what="black in place of the picture")
    told: list[str] = []
    made.on("mute", lambda: told.append("mute"))
    source._set_muted(True)
    assert made.muted and told == ["mute"]
    source._set_muted(False)
    assert not made.muted
    made.stop()


async def test_packets_are_refused() -> None:
    with pytest.raises(TypeError, match="encoded packets"):
        await Listed("video", [av.Packet(b"x")]).filter("hflip").recv()


async def test_a_slow_one_gets_the_newest_and_nobody_waits() -> None:
    """The loop goes on meanwhile, and so does who reads the other track."""
    gate = threading.Event()

    def slow(frame: Any) -> Any:
        gate.wait(20)
        return frame

    camera = SyntheticCamera(160, 120, 60)
    made = camera.map(slow)
    waiting = asyncio.ensure_future(take(made, 2))
    beside = await take(camera, 20)
    assert len({f.pts for f in beside}) == 20 and not waiting.done()
    gate.set()
    first, second = await waiting
    assert second.pts >= beside[-3].pts > first.pts + 3 * 1500
    camera.stop()


async def test_a_microphone_filtered() -> None:
    microphone = SyntheticMicrophone()
    made = microphone.filter("aresample=8000,aformat=channel_layouts=mono")
    found = await take(made, 10)
    assert {(f.sample_rate, f.layout.name) for f in found} == {(8000, "mono")}
    assert made.label == microphone.label
    microphone.stop()
