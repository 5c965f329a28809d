"""What the web platform tests ask of mediacapture-streams and screen-capture, in our words, case by case.

Each case names the test it is after. Not asked: what is about pages (frames, permissions of origins, media elements).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from rtcengine import MediaStream, OverconstrainedError
from tests.unit.devices_kit import Machine, capture_threads
from tests.util import until


@pytest.fixture
async def machine() -> AsyncIterator[Machine]:
    machine = Machine(cameras=2)
    yield machine
    for capture in list(machine.devices._captures.values()):
        for track in capture._tracks:
            track.stop()
    await until(lambda: not capture_threads(), what="the end of the devices' threads")


async def track_of(machine: Machine, kind: str, constraints: Any = True) -> Any:
    stream = await machine.devices.getUserMedia({kind: constraints})
    (track,) = stream.getTracks()
    return track


# --- MediaStream-GUM, GUM-*, MediaDevices-getUserMedia: what is asked for, and what comes of it

ACCEPTED: list[tuple[str, str, Any, dict[str, Any]]] = [
    ("GUM-trivial-constraint", "video", {"width": {"min": 0}}, {}),
    ("GUM-optional-constraint", "video", {"advanced": [{"width": {"min": 1024, "max": 800}}]}, {}),
    ("GUM-required-constraint-with-ideal-value", "video", {"width": {"ideal": 320, "min": 160}}, {"width": 320}),
    ("GUM-unknownkey-option-param", "video", {"doesnotexist": {"min": 1}}, {}),
    ("getUserMedia: resizeMode none", "video", {"resizeMode": {"exact": "none"}}, {"resizeMode": "none"}),
    (
        "getUserMedia: resizeMode crop-and-scale",
        "video",
        {"resizeMode": {"exact": "crop-and-scale"}},
        {"resizeMode": "crop-and-scale"},
    ),
    ("getUserMedia: groupId", "video", {"groupId": {"exact": "group1"}}, {"deviceId": "cam1", "groupId": "group1"}),
    ("getUserMedia: groupId of sound", "audio", {"groupId": {"exact": "group0"}}, {"deviceId": "mic"}),
    ("getSettings: deviceId", "video", {"deviceId": {"exact": "cam1"}}, {"deviceId": "cam1"}),
    ("getSettings: deviceId as a wish", "video", {"deviceId": "cam1"}, {"deviceId": "cam1"}),
    ("getSettings: deviceId of none, as a wish", "video", {"deviceId": "gone"}, {"deviceId": "cam0"}),
    ("getSettings: deviceId, one of a list", "video", {"deviceId": {"exact": ["gone", "cam1"]}}, {"deviceId": "cam1"}),
]
VALID_PICTURES = {
    "width": {"min": 0},
    "height": {"min": 0},
    "frameRate": {"min": 0},
    "aspectRatio": {"min": 0},
    "facingMode": {"ideal": "environment"},
    "resizeMode": {"ideal": "none"},
}
INVALID_PICTURES = {
    "width": {"min": 100_000_000},
    "height": {"min": 100_000_000},
    "frameRate": {"min": 100_000_000},
    "aspectRatio": {"min": 100_000_000},
    "facingMode": {"exact": "invalid"},
    "resizeMode": {"exact": "invalid"},
}
VALID_SOUND = {
    "sampleRate": {"min": 0},
    "sampleSize": {"min": 0},
    "echoCancellation": {"ideal": True},
    "autoGainControl": {"ideal": True},
    "noiseSuppression": {"ideal": True},
    "latency": {"min": 0},
    "channelCount": {"min": 0},
}
INVALID_SOUND = {
    "sampleRate": {"min": 100_000_000},
    "sampleSize": {"min": 100_000_000},
    "latency": {"max": 0},
    "channelCount": {"max": 0},
}
ACCEPTED += [
    ("GUM-non-applicable-constraint: pictures' valid, of sound", "audio", VALID_PICTURES, {}),
    ("GUM-non-applicable-constraint: pictures' invalid, of sound", "audio", INVALID_PICTURES, {}),
    ("GUM-non-applicable-constraint: sound's valid, of pictures", "video", VALID_SOUND, {}),
    ("GUM-non-applicable-constraint: sound's invalid, of pictures", "video", INVALID_SOUND, {}),
    ("GUM-non-applicable-constraint: pictures' valid, of pictures", "video", VALID_PICTURES, {}),
    ("GUM-non-applicable-constraint: sound's valid, of sound", "audio", VALID_SOUND, {}),
]


@pytest.mark.parametrize(("case", "kind", "constraints", "settings"), ACCEPTED, ids=[case[0] for case in ACCEPTED])
async def test_accepted(machine: Machine, case: str, kind: str, constraints: Any, settings: dict[str, Any]) -> None:
    track = await track_of(machine, kind, constraints)
    assert (track.kind, track.readyState, track.enabled) == (kind, "live", True)
    found = track.getSettings()
    assert {name: found[name] for name in settings} == settings
    frame = await asyncio.wait_for(track.recv(), 10)
    if kind == "video":
        assert (frame.width, frame.height) == (found["width"], found["height"])


REFUSED = [
    ("GUM-impossible-constraint", "video", {"width": {"min": 100_000_000}}, "width"),
    ("GUM-invalid-facing-mode", "video", {"facingMode": {"exact": ""}}, "facingMode"),
    ("getUserMedia: resizeMode that is none", "video", {"resizeMode": {"exact": "INVALID"}}, "resizeMode"),
    ("getUserMedia: groupId that no camera has", "video", {"groupId": {"exact": "other"}}, "groupId"),
    ("getUserMedia: groupId that no microphone has", "audio", {"groupId": {"exact": "group1"}}, "groupId"),
    ("getUserMedia: deviceId that is none", "video", {"deviceId": {"exact": "gone"}}, "deviceId"),
    *(
        (f"GUM-non-applicable-constraint: {name}", "video", {name: one}, name)
        for name, one in INVALID_PICTURES.items()
    ),
    *((f"GUM-non-applicable-constraint: {name}", "audio", {name: one}, name) for name, one in INVALID_SOUND.items()),
]  # fmt: skip


@pytest.mark.parametrize(("case", "kind", "constraints", "name"), REFUSED, ids=[case[0] for case in REFUSED])
async def test_refused(machine: Machine, case: str, kind: str, constraints: Any, name: str) -> None:
    with pytest.raises(OverconstrainedError) as refused:
        await machine.devices.getUserMedia({kind: constraints})
    assert refused.value.constraint == name and name in str(refused.value)
    assert not machine.cameras[0].opened and not machine.microphone.opened


@pytest.mark.parametrize("nothing", [None, {}, {"video": False}, {"audio": False, "video": False}, {"doesnotexist": True}])
async def test_mediastream_gum_empty_or_unknown_kinds(machine: Machine, nothing: Any) -> None:
    with pytest.raises(TypeError):
        await machine.devices.getUserMedia(nothing)


# --- MediaStreamTrack-getSettings, -getCapabilities, -applyConstraints

AUDIO_TYPES = {
    "deviceId": str,
    "groupId": str,
    "sampleRate": int,
    "sampleSize": int,
    "echoCancellation": bool,
    "autoGainControl": bool,
    "noiseSuppression": bool,
    "latency": float,
    "channelCount": int,
}
VIDEO_TYPES = {
    "deviceId": str,
    "groupId": str,
    "width": int,
    "height": int,
    "aspectRatio": float,
    "frameRate": float,
    "resizeMode": str,
}


@pytest.mark.parametrize(("kind", "types"), [("audio", AUDIO_TYPES), ("video", VIDEO_TYPES)])
async def test_getsettings_reports(machine: Machine, kind: str, types: dict[str, type]) -> None:
    settings = (await track_of(machine, kind)).getSettings()
    assert {name: type(settings[name]) for name in types} == types


@pytest.mark.parametrize(("kind", "types"), [("audio", AUDIO_TYPES), ("video", VIDEO_TYPES)])
@pytest.mark.parametrize("of", ["track", "device"])
async def test_getcapabilities_of_tracks_and_devices(machine: Machine, of: str, kind: str, types: dict[str, type]) -> None:
    if of == "track":
        capabilities = (await track_of(machine, kind)).getCapabilities()
    else:
        infos = await machine.devices.enumerateDevices()
        capabilities = next(i for i in infos if i.kind == f"{kind}input").getCapabilities()
    for name, type in types.items():
        value = capabilities[name]
        if name in ("deviceId", "groupId"):
            assert isinstance(value, str)
        elif type in (int, float):
            assert set(value) == {"min", "max"} and value["min"] <= value["max"]
        elif type is bool:
            assert 1 <= len(value) <= 2 and all(isinstance(one, bool) for one in value)
    if kind == "video":
        assert capabilities["resizeMode"] == ["none", "crop-and-scale"]


async def test_getsettings_a_device_can_be_opened_twice(machine: Machine) -> None:
    first = await track_of(machine, "video")
    second = await track_of(machine, "video", {"deviceId": first.getSettings()["deviceId"]})
    assert first.getSettings()["deviceId"] == second.getSettings()["deviceId"] and machine.cameras[0].opened == 1


async def test_getsettings_twice_with_different_resolutions(machine: Machine) -> None:
    first = await track_of(machine, "video")
    before = first.getSettings()
    half = before["width"] // 2
    second = await track_of(machine, "video", {"deviceId": before["deviceId"], "width": {"exact": half}})
    assert (second.getSettings()["deviceId"], second.getSettings()["width"]) == (before["deviceId"], half)
    assert first.getSettings() == before
    frames = await asyncio.gather(first.recv(), second.recv())
    assert [frame.width for frame in frames] == [2 * half, half]


APPLIED = [
    ({"groupId": "INVALID"}, "groupId"),
    ({"resizeMode": "INVALID"}, "resizeMode"),
    ({"facingMode": "user"}, "resizeMode"),
]


@pytest.mark.parametrize(("constraints", "same"), APPLIED)
async def test_applyconstraints_accepts_wishes(machine: Machine, constraints: Any, same: str) -> None:
    track = await track_of(machine, "video")
    before = track.getSettings()[same]
    await track.applyConstraints(constraints)
    assert track.getSettings()[same] == before and track.getConstraints() == constraints


@pytest.mark.parametrize(
    ("constraints", "name"),
    [
        ({"groupId": {"exact": "INVALID"}}, "groupId"),
        ({"groupId": {"exact": "group1"}}, "groupId"),  # another device's
        ({"deviceId": {"exact": "cam1"}}, "deviceId"),
        ({"resizeMode": {"exact": "INVALID"}}, "resizeMode"),
    ],
)
async def test_applyconstraints_refuses(machine: Machine, constraints: Any, name: str) -> None:
    track = await track_of(machine, "video", {"width": 640})
    before = track.getSettings()
    with pytest.raises(OverconstrainedError) as refused:
        await track.applyConstraints(constraints)
    assert refused.value.constraint == name
    assert track.getSettings() == before and track.getConstraints() == {"width": 640}


# --- enumerateDevices, getSupportedConstraints


async def test_enumeratedevices(machine: Machine) -> None:
    infos = await machine.devices.enumerateDevices()
    assert [info.kind for info in infos] == ["audioinput", "videoinput", "videoinput"]
    assert all(info.deviceId and info.groupId and info.label for info in infos)
    for info in infos:
        kind = info.kind.removesuffix("input")
        track = await track_of(machine, kind, {"deviceId": {"exact": info.deviceId}})
        assert (track.getSettings()["groupId"], track.label) == (info.groupId, info.label)


@pytest.mark.parametrize("name", sorted({*AUDIO_TYPES, *VIDEO_TYPES, "facingMode"}))
def test_getsupportedconstraints(name: str) -> None:
    assert Machine().devices.getSupportedConstraints()[name] is True


# --- MediaStream-idl, -id, -clone, -finished-add, -gettrackid, -add-audio-track, -removetrack


async def both(machine: Machine) -> MediaStream:
    return await machine.devices.getUserMedia({"audio": True, "video": True})


async def test_mediastream_idl_constructor(machine: Machine) -> None:
    stream = await both(machine)
    assert MediaStream().id != stream.id and not MediaStream().active
    other = MediaStream(stream)
    assert other.id != stream.id and other.getTracks() == stream.getTracks()
    audio, video = stream.getAudioTracks()[0], stream.getVideoTracks()[0]
    assert MediaStream([audio]).getTrackById(audio.id) is audio
    ended = audio.clone()
    ended.stop()
    mixed = MediaStream([ended, video])
    assert mixed.getTrackById(ended.id) is ended and mixed.getTrackById(video.id) is video and mixed.active
    assert MediaStream([ended]).getTrackById(ended.id) is ended and not MediaStream([ended]).active


async def test_mediastream_id_and_gettrackid(machine: Machine) -> None:
    stream = await both(machine)
    assert len(stream.id) == 36 and stream.getTrackById(stream.getVideoTracks()[0].id) is stream.getVideoTracks()[0]
    assert stream.getTrackById(stream.id) is None
    with pytest.raises(AttributeError):
        stream.id = "other"  # type: ignore[misc]


async def test_mediastream_clone(machine: Machine) -> None:
    stream = await both(machine)
    one = stream.clone()
    assert one.id != stream.id and not {t.id for t in one.getTracks()} & {t.id for t in stream.getTracks()}
    for track in stream.getTracks():
        track.stop()
    assert not stream.active and one.active and {t.readyState for t in one.getTracks()} == {"live"}
    one.getAudioTracks()[0].stop()
    assert one.active
    two = one.clone()
    assert [t.readyState for t in (two.getAudioTracks()[0], two.getVideoTracks()[0])] == ["ended", "live"] and two.active
    one.getVideoTracks()[0].stop()
    two.getVideoTracks()[0].stop()
    three = two.clone()
    assert not three.active and {t.readyState for t in three.getTracks()} == {"ended"}


async def test_mediastreamtrack_clone(machine: Machine) -> None:
    stream = await both(machine)
    clones = [track.clone() for track in stream.getTracks()]
    for track in stream.getTracks():
        track.stop()
    assert not stream.active and {clone.readyState for clone in clones} == {"live"}
    for clone in clones:
        stream.addTrack(clone)
    assert stream.active
    for track in stream.getTracks():
        track.stop()
    assert not stream.active and {clone.readyState for clone in clones} == {"ended"}


async def test_mediastream_finished_add(machine: Machine) -> None:
    audio = await machine.devices.getUserMedia(audio=True)
    video = await machine.devices.getUserMedia(video=True)
    video.getVideoTracks()[0].stop()
    assert not video.active and audio.active
    video.addTrack(audio.getAudioTracks()[0])
    video.removeTrack(video.getVideoTracks()[0])
    assert video.active


async def test_mediastream_add_and_removetrack(machine: Machine) -> None:
    audio = await machine.devices.getUserMedia(audio=True)
    video = await machine.devices.getUserMedia(video=True)
    told: list[str] = []
    for stream in (audio, video):
        stream.on("addtrack", lambda _: told.append("addtrack"))
        stream.on("removetrack", lambda _: told.append("removetrack"))
    for _ in range(2):
        video.addTrack(audio.getAudioTracks()[0])
        assert len(video.getAudioTracks()) == 1
    video.removeTrack(video.getVideoTracks()[0])
    video.removeTrack(video.getAudioTracks()[0])
    assert video.getTracks() == []
    video.removeTrack(audio.getTracks()[0])
    await asyncio.sleep(0)
    assert told == []


# --- getDisplayMedia


@pytest.mark.parametrize(
    "options", [{"video": True}, {"video": True, "audio": False}, {"audio": False}, {"audio": True}, {}, None]
)
async def test_getdisplaymedia_gives_pictures(machine: Machine, options: Any) -> None:
    stream = await machine.devices.getDisplayMedia(options)
    (track,) = stream.getTracks()
    assert (track.kind, track.readyState, track.enabled) == ("video", "live", True)
    settings = track.getSettings()
    assert (settings["displaySurface"], settings["logicalSurface"], settings["cursor"]) == ("monitor", True, "always")
    track.stop()
    assert track.readyState == "ended"


@pytest.mark.parametrize(
    "options",
    [
        {"video": False},
        {"video": {"advanced": [{"width": 320}]}},
        {"video": {"width": {"min": 320}}},
        {"video": {"width": {"exact": 320}}},
        {"video": {"height": {"min": 240}}},
        {"video": {"height": {"exact": 240}}},
        {"video": {"frameRate": {"min": 4}}},
        {"video": {"frameRate": {"exact": 4}}},
        {"video": False, "audio": True},
    ],
)
async def test_getdisplaymedia_refuses(machine: Machine, options: Any) -> None:
    with pytest.raises(TypeError):
        await machine.devices.getDisplayMedia(options)


@pytest.mark.parametrize(
    "video",
    [
        {"width": {"max": 360}},
        {"height": {"max": 240}},
        {"width": {"max": 360}, "height": {"max": 240}},
        {"frameRate": {"max": 4}},
        {"frameRate": {"max": 4}, "width": {"max": 360}},
        {"frameRate": {"max": 4}, "height": {"max": 240}},
        {"frameRate": {"max": 4}, "width": {"max": 360}, "height": {"max": 240}},
    ],
)
async def test_getdisplaymedia_is_constrained(machine: Machine, video: Any) -> None:
    (track,) = (await machine.devices.getDisplayMedia({"video": video})).getTracks()
    settings = track.getSettings()
    assert all(1 <= settings[name] <= one["max"] for name, one in video.items())


@pytest.mark.parametrize("name", ["width", "height", "frameRate"])
@pytest.mark.parametrize("most", [0, -1])
async def test_getdisplaymedia_overconstrained(machine: Machine, name: str, most: int) -> None:
    with pytest.raises(OverconstrainedError) as refused:
        await machine.devices.getDisplayMedia({"video": {name: {"max": most}}})
    assert refused.value.constraint == name


async def test_getdisplaymedia_scales_precisely(machine: Machine) -> None:
    (track,) = (await machine.devices.getDisplayMedia({"video": {"height": 240}})).getTracks()
    assert track.getSettings()["height"] == 240
    for wanted in ({"width": 160}, {"height": 120}, {"width": 80}, {"height": 60}, {"width": 158}, {"height": 118}):
        await track.applyConstraints(wanted)
        settings = track.getSettings()
        assert {name: settings[name] for name in wanted} == wanted
        frame = await track.recv()
        assert (frame.width, frame.height) == (settings["width"], settings["height"])
        assert settings["aspectRatio"] == pytest.approx(4 / 3, rel=0.02)
