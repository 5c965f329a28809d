"""Which devices a machine has, from trees of files as Linux shows them, and what errors of opening them mean."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from rtcengine import NotAllowedError, NotReadableError
from rtcengine.media.devices import av_source, system
from rtcengine.media.devices.av_source import AvSource
from rtcengine.media.devices.capture import space_of
from rtcengine.media.devices.space import Mode
from rtcengine.media.devices.v4l2 import Camera

CARDS = """\
 0 [PCH            ]: HDA-Intel - HDA Intel PCH
                      HDA Intel PCH at 0xa1218000 irq 147
 1 [C920           ]: USB-Audio - HD Pro Webcam C920
                      HD Pro Webcam C920 at usb-0000:00:14.0-2, high speed
"""
PCMS = """\
00-00: ALC257 Analog : ALC257 Analog : playback 1 : capture 1
00-03: HDMI 0 : HDMI 0 : playback 1
01-00: USB Audio : USB Audio : capture 1
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A laptop with a webcam: its node for pictures, one for metadata, one of another user's."""
    for name in ("video0", "video1", "video10", "null"):
        file(tmp_path / "dev" / name)
    usb = tmp_path / "sys/devices/pci0000:00/0000:00:14.0/usb1/1-2"
    file(usb / "idVendor", "046d\n")
    for interface in ("1-2:1.0", "1-2:1.2"):
        (usb / interface).mkdir()
    for node, place in (("class/video4linux/video0", "1-2:1.0"), ("class/sound/card1", "1-2:1.2")):
        (tmp_path / "sys" / node).mkdir(parents=True)
        (tmp_path / "sys" / node / "device").symlink_to(usb / place)
    file(tmp_path / "sys/class/video4linux/video10/name", "Integrated Camera\n")
    file(tmp_path / "proc/asound/cards", CARDS)
    file(tmp_path / "proc/asound/pcm", PCMS)
    return tmp_path


def file(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def answers(path: str) -> Camera | None:
    if path.endswith("video10"):
        raise PermissionError(errno.EACCES, "Permission denied")
    return Camera("HD Pro Webcam C920", "usb-0000:00:14.0-2", (Mode(640, 480),)) if path.endswith("video0") else None


def test_cameras(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "_ask", answers)
    found = system.cameras(root)
    assert [(d.deviceId, d.label) for d in found] == [
        (f"v4l2:{root}/dev/video0", "HD Pro Webcam C920"),
        (f"v4l2:{root}/dev/video10", "Integrated Camera"),
    ]
    assert found[0].kind == "video" and space_of(found[0]).capabilities()["width"]["max"] == 640


def test_microphones(root: Path) -> None:
    assert [(d.deviceId, d.label) for d in system.microphones(root)] == [
        ("alsa:default", "Default"),
        ("alsa:plughw:CARD=PCH,DEV=0", "HDA Intel PCH, ALC257 Analog"),
        ("alsa:plughw:CARD=C920,DEV=0", "HD Pro Webcam C920, USB Audio"),
    ]


def test_a_webcam_and_its_microphone_are_one_group(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "_ask", answers)
    groups = {device.deviceId: device.groupId for device in system.devices(root)}
    assert groups[f"v4l2:{root}/dev/video0"] == groups["alsa:plughw:CARD=C920,DEV=0"] == "usb:1-2"
    assert groups["alsa:plughw:CARD=PCH,DEV=0"] == groups["alsa:default"] == "card:PCH"


def test_a_machine_without_any(tmp_path: Path) -> None:
    assert system.devices(tmp_path) == []
    file(tmp_path / "dev/video0")  # which is no device
    assert system.devices(tmp_path) == []


def test_the_screen_is_that_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":7")
    assert [d.deviceId for d in system.screens()] == ["x11grab::7"]
    monkeypatch.delenv("DISPLAY")
    assert system.screens() == []


@pytest.mark.parametrize(("name", "kind"), [("alsa:tape", "audio"), ("x11grab::3", "video")])
def test_devices_by_ffmpegs_names(name: str, kind: str) -> None:
    device = system.named(name)
    assert device is not None and (device.deviceId, device.kind) == (name, kind)


@pytest.mark.parametrize("name", ["", "alsa", "alsa:", "pulse:default", "v4l2:/dev/null", "v4l2:/nowhere"])
def test_names_of_nothing(name: str) -> None:
    assert system.named(name) is None


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        (Mode(640, 480, (30.0,), "mjpeg"), {"video_size": "640x480", "framerate": "30/1", "input_format": "mjpeg"}),
        (Mode(640, 480, (30000 / 1001,)), {"video_size": "640x480", "framerate": "30000/1001"}),
        (None, {}),
    ],
)
def test_what_v4l2_is_told(mode: Mode | None, options: dict[str, str]) -> None:
    assert system.v4l2_options(mode) == options


@pytest.mark.parametrize(
    ("raised", "expected", "why"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), NotAllowedError, "Permission denied"),
        (OSError(errno.EBUSY, "Device or resource busy"), NotReadableError, "busy"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), NotReadableError, "No such"),
    ],
)
def test_what_opening_fails_with(
    raised: Exception, expected: type[Exception], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open(*args: Any, **options: Any) -> None:
        raise raised

    monkeypatch.setattr(av_source.av, "open", open)
    source = AvSource("v4l2", "/dev/video0", system.v4l2_options)
    with pytest.raises(expected, match=why) as failed:
        source.open(Mode(640, 480))
    assert "/dev/video0" in str(failed.value)
    source.close()


def test_the_configuration_of_alsa_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALSA_CONFIG_PATH", "")  # so that it is as before in the end
    monkeypatch.delenv("ALSA_CONFIG_PATH")
    monkeypatch.setattr(av_source, "ALSA_CONFIG", tmp_path / "alsa.conf")
    av_source.find_alsa_config()
    assert "ALSA_CONFIG_PATH" not in os.environ
    file(tmp_path / "alsa.conf")
    av_source.find_alsa_config()
    assert os.environ["ALSA_CONFIG_PATH"] == str(tmp_path / "alsa.conf")
    monkeypatch.setenv("ALSA_CONFIG_PATH", "/another")
    av_source.find_alsa_config()
    assert os.environ["ALSA_CONFIG_PATH"] == "/another"


def test_signs_change_with_devices(root: Path) -> None:
    before = system.signs(root)
    assert system.signs(root) == before
    file(root / "dev/video11")
    plugged = system.signs(root)
    assert plugged != before
    (root / "dev/video11").chmod(0o600)
    assert system.signs(root) != plugged
    (root / "dev/video11").unlink()
    assert system.signs(root) == before
    file(root / "dev/null", "of no interest")
    assert system.signs(root) == before
    file(root / "proc/asound/pcm", PCMS + "01-01: USB Audio #1 : USB Audio #1 : capture 1\n")
    assert system.signs(root) != before
    assert system.signs(root / "nowhere") == ([], "", "")
