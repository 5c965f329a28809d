"""Devices and their tracks: one thread a device, shared and closed with the last track, and what happens when it fails."""

from __future__ import annotations

import asyncio
import itertools
import warnings
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

import rtcengine
from rtcengine import MediaStreamError, NotAllowedError, NotFoundError, NotReadableError, OverconstrainedError
from rtcengine.media.devices import capture
from rtcengine.media.devices.media_devices import MediaDevices
from rtcengine.media.pattern import read_number
from tests.unit.devices_kit import Machine, capture_threads
from tests.util import until


@pytest.fixture
async def machine() -> AsyncIterator[Machine]:
    machine = Machine(cameras=2)
    yield machine
    stop_all(machine.devices)
    await until(lambda: not capture_threads(), what="the end of the devices' threads")


def stop_all(devices: MediaDevices) -> None:
    for one in list(devices._captures.values()):
        for track in one._tracks:
            track.stop()


async def track_of(machine: Machine, kind: str = "video", constraints: Any = True) -> Any:
    (track,) = (await machine.devices.getUserMedia({kind: constraints})).getTracks()
    return track


async def test_a_device_is_shared_and_closed_with_the_last_track(machine: Machine) -> None:
    hardware = machine.cameras[0]
    first = await track_of(machine)
    second, clone = await track_of(machine), first.clone()
    assert hardware.opened == 1 and capture_threads() == ["rtc-capture"]
    assert len({first.id, second.id, clone.id}) == 3
    frames = await asyncio.gather(first.recv(), second.recv(), clone.recv())
    assert {(frame.width, frame.height) for frame in frames} == {(640, 480)}
    first.stop()
    clone.stop()
    with pytest.raises(MediaStreamError):
        await first.recv()
    await second.recv()
    assert hardware.live == 1
    second.stop()
    await until(lambda: hardware.live == 0, what="the device's end")


async def test_a_device_that_was_let_go_is_closed_before_it_is_opened_again(machine: Machine) -> None:
    for _ in range(5):
        track = await track_of(machine)  # the hardware says when it is opened twice
        await track.recv()
        track.stop()
    assert machine.cameras[0].opened == 5


async def test_one_that_vanishes_ends_its_tracks_with_one_clear_error(machine: Machine) -> None:
    stream = await machine.devices.getUserMedia(video=True)
    track = stream.getVideoTracks()[0]
    clone, ended = track.clone(), []
    for one in (track, clone):
        one.on("ended", lambda: ended.append(True))
    await track.recv()
    machine.cameras[0].fails = True
    with pytest.raises(MediaStreamError, match="unplugged"):
        while True:
            await asyncio.wait_for(track.recv(), 10)
    await until(lambda: len(ended) == 2, what="the end of both")
    assert isinstance(track.error, NotReadableError) and clone.error is track.error
    assert not stream.active and track.readyState == "ended"
    machine.cameras[0].fails = False
    assert (await track_of(machine)).error is None


async def test_one_that_gives_nothing_is_muted(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "STALL_S", 0.2)
    track, told = await track_of(machine), []
    track.on("mute", lambda: told.append("mute"))
    track.on("unmute", lambda: told.append("unmute"))
    await track.recv()
    assert not track.muted
    machine.cameras[0].silent = True
    await until(lambda: track.muted, what="the silence")
    assert track.clone().muted
    machine.cameras[0].silent = False
    await until(lambda: not track.muted, what="a picture")
    assert told == ["mute", "unmute"] and track.readyState == "live"


@pytest.mark.parametrize("error", [NotReadableError("busy"), NotAllowedError("not yours")])
async def test_one_that_cannot_be_opened(machine: Machine, error: Exception) -> None:
    machine.cameras[0].refuses = error  # type: ignore[assignment]
    with pytest.raises(type(error), match=str(error)):
        await track_of(machine, constraints={"deviceId": {"exact": "cam0"}})
    other = await track_of(machine)  # the next that fits
    assert other.getSettings()["deviceId"] == "cam1"
    machine.cameras[0].refuses = None
    assert (await track_of(machine)).getSettings()["deviceId"] == "cam0"


async def test_all_or_nothing(machine: Machine) -> None:
    for hardware in machine.cameras:
        hardware.refuses = NotReadableError("busy")
    with pytest.raises(NotReadableError):
        await machine.devices.getUserMedia({"audio": True, "video": True})
    await until(lambda: machine.microphone.opened == 1 and machine.microphone.live == 0, what="the microphone's end")


async def test_there_is_none(machine: Machine) -> None:
    machine.present.clear()
    machine.screens.clear()
    for call in (machine.devices.getUserMedia(video=True), machine.devices.getUserMedia(audio=True)):
        with pytest.raises(NotFoundError, match="synthetic"):
            await call
    with pytest.raises(NotFoundError, match="DISPLAY"):
        await machine.devices.getDisplayMedia()


# --- settings


async def test_pictures_are_cut_and_scaled_and_never_stretched(machine: Machine) -> None:
    track = await track_of(machine, constraints={"width": 120, "height": 120})
    assert track.getSettings()["resizeMode"] == "crop-and-scale"
    picture = (await track.recv()).to_ndarray(format="gray")
    assert picture.shape == (120, 120)
    assert picture[:, :56].max() < 60 and picture[:, 64:].min() > 190  # the middle is where it was


async def test_fewer_pictures(machine: Machine) -> None:
    track = await track_of(machine, constraints={"frameRate": {"exact": 5}})
    frames = [await track.recv() for _ in range(3)]
    gaps = [float((b.pts - a.pts) * b.time_base) * 5 for a, b in itertools.pairwise(frames)]
    assert all(round(gap) >= 1 and gap == pytest.approx(round(gap), abs=0.2) for gap in gaps)  # who is late misses some
    assert machine.cameras[0].modes[0].rates == (15.0,)  # type: ignore[union-attr]


async def test_sound_as_it_is_wanted(machine: Machine) -> None:
    track = await track_of(machine, "audio", {"sampleRate": 16000, "channelCount": 1, "latency": 0.01})
    frames = [await track.recv() for _ in range(4)]
    assert [(f.sample_rate, f.layout.name, f.samples, f.pts) for f in frames] == [
        (16000, "mono", 160, 160 * n) for n in range(4)
    ]
    await track.applyConstraints({"sampleRate": 8000})
    async with asyncio.timeout(10):
        while (frame := await track.recv()).sample_rate != 8000:
            pass
    assert frame.layout.name == "stereo" and frame.samples == 160


async def test_a_slow_reader_gets_the_newest(machine: Machine) -> None:
    track = await track_of(machine)
    before = await track.recv()
    await until(lambda: track.dropped > 5, what="pictures that nobody read")
    after = await track.recv()
    assert after.pts - before.pts > 5 * 90000 / 30


async def test_sound_that_nobody_reads_is_dropped(machine: Machine) -> None:
    track = await track_of(machine, "audio")
    await until(lambda: track.dropped > 3, what="sound that nobody read")
    first = await track.recv()
    assert first.pts >= 4 * 960 and (await track.recv()).pts > first.pts


async def test_tracks_of_one_device_agree_on_a_mode(machine: Machine) -> None:
    hardware = machine.cameras[0]
    small = await track_of(machine, constraints={"width": 320})
    assert small.getSettings()["height"] == 240
    big = small.clone()
    await big.applyConstraints({"width": {"exact": 1280}, "height": {"exact": 720}})
    assert hardware.opened == 2 and hardware.modes[-1].width == 1280  # type: ignore[union-attr]
    frames = await asyncio.gather(small.recv(), big.recv())
    assert [(f.width, f.height) for f in frames] == [(320, 240), (1280, 720)]  # what was not asked to change has not
    await small.applyConstraints({"width": 160})
    assert hardware.opened == 2
    with pytest.raises(OverconstrainedError) as refused:
        await small.applyConstraints({"width": {"exact": 640}, "height": {"exact": 480}, "resizeMode": {"exact": "none"}})
    assert refused.value.constraint == "" and "all of its tracks" in str(refused.value)
    assert small.getConstraints() == {"width": 160} and (await small.recv()).width == 160
    big.stop()
    await small.applyConstraints({"width": {"exact": 640}, "resizeMode": {"exact": "none"}})
    assert (await small.recv()).width == 640


async def test_a_mode_that_the_device_refuses_leaves_it_as_it_was(machine: Machine) -> None:
    track = await track_of(machine)
    machine.cameras[0].refuses_width = 1280
    with pytest.raises(NotReadableError, match="bandwidth"):
        await track.applyConstraints({"width": 1280})
    assert track.readyState == "live" and (await track.recv()).width == 640
    assert track.getConstraints() == {} and track.getSettings()["width"] == 640


async def test_one_that_does_not_come_back_after_a_refusal_is_gone(machine: Machine) -> None:
    track, hardware = await track_of(machine), machine.cameras[0]
    hardware.refuses = NotReadableError("another program has it")
    with pytest.raises(NotReadableError, match="another program"):
        await asyncio.wait_for(track.applyConstraints({"width": 1280}), 10)
    await until(lambda: track.readyState == "ended", what="the end")
    assert "another program" in str(track.error)


async def test_one_that_fails_in_a_way_of_its_own(machine: Machine) -> None:
    machine.cameras[0].refuses = RuntimeError("a bug")  # type: ignore[assignment]
    with pytest.raises(NotReadableError, match="Camera 0 failed"):
        await asyncio.wait_for(track_of(machine, constraints={"deviceId": {"exact": "cam0"}}), 10)


async def test_the_last_track_ends_while_another_is_asked_for(machine: Machine) -> None:
    hardware = machine.cameras[0]
    first = await track_of(machine)
    hardware.opens.clear()
    asking = asyncio.ensure_future(track_of(machine, constraints={"width": {"exact": 1280}, "deviceId": {"exact": "cam0"}}))
    await until(lambda: hardware.live == 0, what="the change of the mode")
    first.stop()
    hardware.opens.set()
    second = await asyncio.wait_for(asking, 10)
    assert (await second.recv()).width == 1280


async def test_clones_take_over_what_is_set(machine: Machine) -> None:
    track = await track_of(machine, constraints={"width": 320})
    track.enabled, track.contentHint = False, "detail"
    clone = track.clone()
    assert (clone.enabled, clone.contentHint, clone.label) == (False, "detail", "Camera 0")
    assert (clone.getSettings(), clone.getConstraints()) == (track.getSettings(), track.getConstraints())
    clone.enabled, clone.contentHint = True, ""
    await clone.applyConstraints({"width": 160})
    assert (track.enabled, track.contentHint, track.getSettings()["width"]) == (False, "detail", 320)
    clone.getConstraints()["width"] = 1
    assert clone.getConstraints() == {"width": 160}


async def test_what_has_ended_takes_constraints_and_does_nothing(machine: Machine) -> None:
    track = await track_of(machine)
    track.stop()
    await track.applyConstraints({"width": {"exact": 7}})
    assert track.getConstraints() == {"width": {"exact": 7}} and track.getSettings()["width"] == 640


# --- forms of the call


async def test_callbacks_as_there_were_before_promises(machine: Machine) -> None:
    told: list[Any] = []
    heard = asyncio.Event()

    async def success(stream: Any) -> None:
        told.append(stream)
        heard.set()

    def failure(error: Exception) -> None:
        told.append(error)
        heard.set()

    constraints: Any = {
        "audio": True,
        "video": {"mandatory": {"width": {"min": 320}, "height": {"min": 180}}, "optional": [{"frameRate": 15}]},
    }
    with pytest.warns(DeprecationWarning, match="await"):
        assert machine.devices.getUserMedia(constraints, success, failure) is None
    await asyncio.wait_for(heard.wait(), 10)
    assert [track.kind for track in told[0].getTracks()] == ["audio", "video"]
    assert told[0].getVideoTracks()[0].getSettings()["frameRate"] == 15
    for bad, error in (({"video": {"mandatory": {"minWidth": 9999}}}, OverconstrainedError), ({}, TypeError)):
        heard.clear()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            machine.devices.getUserMedia(bad, success, failure)
        await asyncio.wait_for(heard.wait(), 10)
        assert isinstance(told[-1], error)


async def test_keywords_and_dataclasses(machine: Machine) -> None:
    wanted = rtcengine.MediaTrackConstraints(width=rtcengine.Constrain(exact=320))
    stream = await machine.devices.getUserMedia(rtcengine.MediaStreamConstraints(audio=True, video=wanted))
    assert stream.getVideoTracks()[0].getSettings()["width"] == 320 and len(stream.getAudioTracks()) == 1
    assert stream.getVideoTracks()[0].getConstraints() == {"width": {"exact": 320}}
    stream = await machine.devices.getUserMedia(video={"width": 160})
    assert stream.getVideoTracks()[0].getSettings()["width"] == 160
    with pytest.raises(TypeError):
        await machine.devices.getUserMedia("video")


async def test_synthetic_devices_are_for_who_asks_for_them(machine: Machine) -> None:
    assert not any("synthetic" in info.deviceId for info in await machine.devices.enumerateDevices())
    infos = await machine.devices.enumerateDevices(synthetic=True)
    assert [i.deviceId for i in infos if i.groupId == "synthetic"] == ["synthetic-microphone", "synthetic-camera"]
    stream = await machine.devices.getUserMedia(
        video={"deviceId": {"exact": "synthetic-camera"}, "width": 320, "height": 240, "frameRate": 60},
        audio={"deviceId": {"exact": "synthetic-microphone"}},
    )
    video, audio = stream.getVideoTracks()[0], stream.getAudioTracks()[0]
    frames = [await video.recv() for _ in range(3)]
    numbers = [read_number(frame.to_ndarray(format="gray")) for frame in frames]
    assert numbers == sorted(set(numbers)) and (frames[0].width, frames[0].height) == (320, 240)
    sound = await audio.recv()
    assert sound.samples == 960 and np.abs(sound.to_ndarray()).max() > 100
    for track in (video, audio):
        track.stop()


def test_each_loop_has_the_device_after_the_other() -> None:
    machine = Machine()

    async def leave() -> None:
        await (await track_of(machine)).recv()  # and does not stop it

    for _ in range(2):
        asyncio.run(leave())
    assert machine.cameras[0].opened == 2
    (last,) = machine.devices._captures.values()
    last.abandon()
    assert last.wait_until_over(10)


async def test_two_loops_at_once(machine: Machine) -> None:
    track = await track_of(machine)

    def elsewhere() -> None:
        with pytest.raises(NotReadableError, match="another event loop"):
            asyncio.run(track_of(machine, constraints={"deviceId": {"exact": "cam0"}}))

    await asyncio.to_thread(elsewhere)
    await track.recv()


async def test_a_track_that_nobody_waits_for_any_more(machine: Machine) -> None:
    asking = asyncio.ensure_future(track_of(machine))
    await until(lambda: machine.cameras[0].opened == 1, what="the device")
    asking.cancel()
    await asyncio.wait([asking])
    if not asking.cancelled():
        asking.result().stop()
    await until(lambda: machine.cameras[0].live == 0, what="the device's end")
