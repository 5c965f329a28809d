"""Which devices this machine has: V4L2, ALSA and X11 on Linux, avfoundation and dshow where FFmpeg has them."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import sys
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av.device

from .av_source import AvSource, probe, screen_space
from .source import Device
from .space import Mode, VideoSpace
from .synthetic import microphone_space
from .v4l2 import Camera, read_camera

CAPTURE_RATE = 48000
ROOT = Path("/")


def devices(root: Path = ROOT) -> list[Device]:
    """Cameras and microphones, as the system orders them."""
    if sys.platform == "darwin":
        return _by_ffmpeg("avfoundation")
    if sys.platform == "win32":
        return _by_ffmpeg("dshow")
    return [*cameras(root), *microphones(root)]


def signs(root: Path = ROOT) -> Any:
    """What differs when `devices` does: cheap to read, and opens none. Other systems than Linux have only their lists."""
    if sys.platform in ("darwin", "win32"):
        return [(device.kind, device.deviceId) for device in devices(root)]
    nodes = []
    for path in (root / "dev").glob("video*"):
        with contextlib.suppress(OSError):  # gone meanwhile
            found = path.stat()
            nodes.append((path.name, found.st_rdev, found.st_mode, found.st_uid, found.st_gid, found.st_ino))
    return sorted(nodes), _read(root / "proc/asound/cards"), _read(root / "proc/asound/pcm")


def screens() -> list[Device]:
    """The one that this program runs on."""
    display = os.environ.get("DISPLAY", "")
    return [screen(display)] if display else []


def named(deviceId: str) -> Device | None:
    """One that no list has, by what FFmpeg calls it: "v4l2:/dev/video4", "alsa:default", "x11grab::1". None for other names."""
    format, _, name = deviceId.partition(":")
    if not name:
        return None
    if format == "v4l2":
        return camera(name)
    if format == "alsa":
        return microphone(name, name, f"alsa:{name}")
    return screen(name) if format == "x11grab" else None


# --- V4L2


def cameras(root: Path = ROOT) -> list[Device]:
    """Nodes that capture, and those that this user may not open, as nobody can tell: opening one says why."""
    nodes = sorted((root / "dev").glob("video*"), key=lambda path: (len(path.name), path.name))
    return [device for device in (camera(str(node), root) for node in nodes) if device is not None]


def camera(path: str, root: Path = ROOT) -> Device | None:
    """None for a node that captures nothing, or is none."""
    sysfs = root / "sys/class/video4linux" / Path(path).name
    try:
        found = _ask(path)
    except PermissionError:
        found = Camera(_read(sysfs / "name") or Path(path).name, "", ())
    except OSError:
        return None
    if found is None:
        return None
    group = _usb_device(sysfs) or found.bus or path
    return Device(
        "video",
        f"v4l2:{path}",
        found.name,
        group,
        functools.partial(AvSource, "v4l2", path, v4l2_options),
        lambda: VideoSpace(found.modes or (probe(AvSource("v4l2", path, v4l2_options)),)),
    )


def _ask(path: str) -> Camera | None:
    import fcntl

    node = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        return read_camera(lambda request, buffer: void(fcntl.ioctl(node, request, buffer)))
    finally:
        os.close(node)


def void(_: object) -> None:
    """An ioctl's number, which is 0."""


def v4l2_options(mode: Mode | None) -> Mapping[str, str]:
    if mode is None:
        return {}
    options = {"video_size": f"{mode.width}x{mode.height}", "framerate": _fraction(mode.fastest)}
    return {**options, "input_format": mode.format} if mode.format else options


# --- ALSA


def microphones(root: Path = ROOT) -> list[Device]:
    """Each device of a card that records; ALSA's default first, when there is any."""
    cards = dict(re.findall(r"^ *(\d+) \[(\S+) *\]", _read(root / "proc/asound/cards"), re.MULTILINE))
    names = dict(re.findall(r"^ *(\d+) \[.*?\]: \S+ - (.*)$", _read(root / "proc/asound/cards"), re.MULTILINE))
    found = []
    for line in _read(root / "proc/asound/pcm").splitlines():
        entry = re.match(r"(\d+)-(\d+): ([^:]*)", line)
        if entry is None or ": capture" not in line:
            continue
        number, device, what = str(int(entry[1])), int(entry[2]), entry[3].strip()
        if number in cards:
            group = _usb_device(root / "sys/class/sound" / f"card{number}") or f"card:{cards[number]}"
            # "plughw" makes of the card's own rate and channels what is asked for.
            name = f"plughw:CARD={cards[number]},DEV={device}"
            found.append(microphone(name, f"{names.get(number, cards[number])}, {what}", group))
    return [microphone("default", "Default", found[0].groupId), *found] if found else []


def microphone(name: str, label: str, group: str) -> Device:
    """By the name of its PCM."""
    source = functools.partial(AvSource, "alsa", name, alsa_options)
    return Device("audio", f"alsa:{name}", label, group, source, microphone_space)


def alsa_options(mode: Mode | None) -> Mapping[str, str]:
    return {"sample_rate": str(CAPTURE_RATE), "channels": "2"}


# --- X11


def screen(display: str) -> Device:
    """All of a display."""
    source = functools.partial(AvSource, "x11grab", display, x11_options)
    return Device("video", f"x11grab:{display}", f"Screen {display}", f"x11:{display}", source, lambda: screen_space(source()))


def x11_options(mode: Mode | None) -> Mapping[str, str]:
    return {} if mode is None else {"framerate": _fraction(mode.fastest), "draw_mouse": "1"}


# --- FFmpeg's own lists


def _by_ffmpeg(format: str) -> list[Device]:
    found = []
    for info in av.device.enumerate_input_devices(format):
        for kind in ("video", "audio"):
            if kind in info.media_types:
                found.append(_one_by_ffmpeg(format, kind, info.name, info.description))
    return found


def _one_by_ffmpeg(format: str, kind: str, name: str, label: str) -> Device:
    if format == "dshow":
        opened = f"{kind}={name}"
    else:
        opened = name if kind == "video" else f":{name}"
    source = functools.partial(AvSource, format, opened, v4l2_options if kind == "video" else no_options)
    deviceId = f"{format}:{opened}"
    if kind == "audio":
        return Device(kind, deviceId, label, deviceId, source, microphone_space)
    return Device(kind, deviceId, label, deviceId, source, lambda: VideoSpace((probe(source()),)))


def no_options(mode: Mode | None) -> Mapping[str, str]:
    return {}


# --- what files say


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").rstrip("\n")
    except OSError:
        return ""


def _usb_device(sysfs: Path) -> str:
    """The USB device that a node is part of, "" for none: a webcam and its microphone are one group."""
    try:
        place = (sysfs / "device").resolve(strict=True)
    except OSError:
        return ""
    for folder in (place, *place.parents):
        if (folder / "idVendor").exists():
            return f"usb:{folder.name}"
    return ""


def _fraction(rate: float) -> str:
    whole = Fraction(rate).limit_denominator(1001)
    return f"{whole.numerator}/{whole.denominator}"
