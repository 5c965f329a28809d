"""Makes tests/vectors/payload: calls from Chromium and Firefox captured here, and what GStreamer makes of a test picture."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rtcengine import NetworkOptions, RTCPeerConnection
from rtcengine.payload import Vp8Descriptor, look, picture_size
from rtcengine.rtp import RtpPacket
from tests.browser.call import call
from tests.browser.chromium import chromium
from tests.browser.drivers import Page
from tests.browser.firefox import firefox
from tests.browser.serve import blank_page_server
from tests.interop import peers
from tests.unit.payload_kit import FOLDER, READERS, Frame, Packet, Vector, digest, write
from tests.unit.test_capture import read as read_capture

PICTURES = {"width": 320, "height": 240, "frameRate": 30}
FRAMES = 4
SOUNDS = 100  # until the fake microphone has given a tone
MOST = 40_000  # bytes of a file
GSTREAMER = ("h264_x264", "h264_openh264", "h265", "pcmu", "pcma", "g722")
BROWSERS = {"chromium": (chromium, ("VP8", "VP9", "H264", "AV1")), "firefox": (firefox, ("VP8", "VP9"))}


async def browsers(name: str, folder: Path) -> None:
    start, codecs = BROWSERS[name]
    async with start() as page, blank_page_server() as blank:
        await page.goto(blank)
        version = await page.evaluate("navigator.userAgent.match(/(Chrome|Firefox)\\/[0-9]+/)[0]")
        for codec in codecs:
            streams = await captured(page, codec, folder / f"{name}_{codec}.pcapng")
            save(f"{name}_{codec.lower()}", f"{version}, its fake camera", codec, streams[codec])
            if codec == "VP8":
                sounds = streams["opus"]
                loud = max(range(len(sounds) - FRAMES), key=lambda place: len(sounds[place].payload))
                save(f"{name}_opus", f"{version}, its fake microphone", "opus", sounds[loud:])
            await page.goto(blank)
        if name == "chromium":
            streams = await captured(page, "VP8", folder / "layers.pcapng", "L1T3")
            save("chromium_vp8_layers", f"{version}, its fake camera in three temporal layers", "VP8", streams["VP8"])


LAYERS = """
const sender = call.pc.getSenders().find((one) => one.track.kind === "video");
const parameters = sender.getParameters();
parameters.encodings[0].scalabilityMode = arg;
await sender.setParameters(parameters);
"""


async def captured(page: Page, codec: str, file: Path, layers: str = "") -> dict[str, list[Packet]]:
    """Packets by codec."""
    ours = RTCPeerConnection(network=NetworkOptions(addresses=("127.0.0.1",)))
    async with call(page, ours) as made:
        capture = await ours.capture(file)
        await made("add", {"video": PICTURES, "audio": True})
        await page.evaluate(f"call.prefer('video', {codec!r})")
        if layers:
            await page.evaluate(LAYERS, layers)
        await made.negotiate(False)
        await made.connected()
        for kind, count in (("video", 2 * FRAMES), ("audio", SOUNDS)):
            frames = made.track(kind).encoded()
            for _ in range(count):
                await anext(frames)
            await frames.aclose()
        await capture.stop()
        assert ours.localDescription is not None
        lines = [line.split(":")[1] for line in ours.localDescription.sdp.splitlines() if line.startswith("a=rtpmap:")]
    named = {int(number): what.split("/")[0] for number, what in (line.split(" ") for line in lines)}
    found: dict[str, list[Packet]] = {}
    for seen in read_capture(file)[0]:
        if seen.kind == "RTP" and not seen.sent:
            packet = RtpPacket.parse(seen.data)
            of = found.setdefault(named[packet.payload_type], [])
            of.append(Packet(packet.sequence_number, packet.timestamp, packet.marker, bytes(packet.payload)))
    return found


def gstreamer(name: str) -> None:
    program = Path(__file__).with_name("gst_rtp.py")
    out = subprocess.run([peers.SYSTEM_PYTHON, str(program), name], stdout=subprocess.PIPE, text=True, check=True).stdout
    packets = []
    for line in out.split():
        packet = RtpPacket.parse(bytes.fromhex(line))
        packets.append(Packet(packet.sequence_number, packet.timestamp, packet.marker, bytes(packet.payload)))
    codec, _, coder = name.partition("_")
    save(f"gst_{name}", f"GStreamer 1.22, {coder or codec} of a test source", codec.upper(), packets)


def save(name: str, about: str, codec: str, packets: list[Packet]) -> None:
    """The first frames, up to a second key frame and as many as fit."""
    path, sound = FOLDER / f"{name}.txt", codec in ("opus", "PCMU", "PCMA", "G722")
    first, *rest = itertools.islice(framed(codec, packets), FRAMES)
    found = [first, *itertools.takewhile(lambda frame: sound or not frame.key, rest)]
    for count in range(len(found), 0, -1):
        frames = found[:count]
        write(path, Vector(about, codec, packets[: sum(frame.packets for frame in frames)], frames))
        if path.stat().st_size <= MOST:
            print(f"{name}: {len(frames)} frames, {path.stat().st_size} bytes")
            return
    raise ValueError(f"{name}: one frame is more than {MOST} bytes")


def framed(codec: str, packets: list[Packet]) -> Iterator[Frame]:
    for time, group in itertools.groupby(packets, lambda packet: packet.time):
        payloads = [packet.payload for packet in group]
        whole = READERS[codec](payloads)
        sizes = [size for payload in payloads if (size := picture_size(codec, payload)) is not None]
        layer = Vp8Descriptor.parse(payloads[0]).temporal_id if codec == "VP8" else None
        yield Frame(
            time=time,
            packets=len(payloads),
            bytes=len(whole),
            sha256=digest(whole),
            key=any(look(codec, payload).key for payload in payloads),
            size="x".join(map(str, sizes[0])) if sizes else "-",
            layer="-" if layer is None else str(layer),
        )


def main(names: list[str]) -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in BROWSERS:
            if not names or name in names:
                asyncio.run(browsers(name, Path(folder)))
    for name in GSTREAMER:
        if not names or f"gst_{name}" in names:
            gstreamer(name)


if __name__ == "__main__":
    main(sys.argv[1:])
