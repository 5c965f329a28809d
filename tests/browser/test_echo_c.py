"""The engine without Python: examples/echo.c, built against librtcengine, sends Chromium's media back."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from rtcengine.certificate import Certificate
from tests.browser import media
from tests.browser.chromium import ChromiumPage
from tests.browser.drivers import Page
from tests.browser.relay import Pages
from tests.util import until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]  # the first test builds

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "build" / "lib"

# One connection that sends and receives; what comes is shown. One codec with its repair, so that the test knows what flows.
_OFFER = """
const pc = rtc.pc = new RTCPeerConnection({bundlePolicy: "max-bundle"});
rtc.stream = await navigator.mediaDevices.getUserMedia({audio: true, video: {width: 640, height: 360, frameRate: 30}});
const back = new MediaStream();
rtc.video = document.createElement("video");
rtc.video.autoplay = rtc.video.muted = true;
document.body.append(rtc.video);
pc.ontrack = (event) => { back.addTrack(event.track); rtc.video.srcObject = back; };
for (const kind of ["audio", "video"]) {
  const track = rtc.stream.getTracks().find((t) => t.kind === kind);
  const transceiver = pc.addTransceiver(track, {direction: "sendrecv", streams: [rtc.stream]});
  const wanted = kind === "audio" ? "audio/opus" : `video/${arg}`;
  const codecs = RTCRtpReceiver.getCapabilities(kind).codecs;
  const first = codecs.find((c) => c.mimeType.toLowerCase() === wanted.toLowerCase());
  transceiver.setCodecPreferences([first, ...codecs.filter((c) => c.mimeType === "video/rtx")]);
}
await pc.setLocalDescription(await pc.createOffer());
return pc.localDescription.sdp;
"""


@pytest.fixture(scope="session")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, built as a user would: `make lib`, then a compiler and pkg-config."""
    env = os.environ | {"PKG_CONFIG_PATH": str(LIBRARY)}
    subprocess.run(["make", "-s", "lib"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", "librtcengine"], env=env, check=True, capture_output=True, text=True
    ).stdout.split()
    program = tmp_path_factory.mktemp("echo") / "echo"
    strict = ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
    subprocess.run([os.environ.get("CC", "cc"), *strict, ROOT / "examples" / "echo.c", *flags, "-o", program], check=True)
    return program


@dataclass(frozen=True)
class Offered:
    """What the program and the answer need of an offer with one codec a section."""

    fingerprint: str
    audio_pt: int
    video_pt: int
    rtx_pt: int
    extensions: dict[int, str]
    sections: list[str]

    @classmethod
    def read(cls, sdp: str) -> Offered:
        sections = sdp.split("\r\nm=")[1:]
        numbers = [[int(n) for n in section.split("\r\n")[0].split()[3:]] for section in sections]
        found = re.search(r"a=fingerprint:(.*)\r\n", sdp)
        assert found is not None and "a=extmap-allow-mixed" in sdp
        extensions = {int(n): uri for n, uri in re.findall(r"a=extmap:(\d+) (\S+)\r\n", sdp)}
        # Ids above 14 are of the two-byte form, which this program does not agree to.
        extensions = {n: uri for n, uri in extensions.items() if n <= 14}
        return cls(found[1], numbers[0][0], numbers[1][0], numbers[1][1], extensions, sections)


def answer(offer: Offered, codec: str, ice: tuple[str, str], ready: list[str]) -> str:
    """The SDP that agrees to all of the offer; `ready` is the program's first line."""
    port, fingerprint, audio_ssrc, video_ssrc, rtx_ssrc = ready
    lines = ["v=0", f"o=- {secrets.randbits(62)} 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0 1", "a=ice-lite"]
    payloads = {
        "audio": [offer.audio_pt, f"a=rtpmap:{offer.audio_pt} opus/48000/2", f"a=rtcp-fb:{offer.audio_pt} transport-cc"],
        "video": [
            f"{offer.video_pt} {offer.rtx_pt}",
            f"a=rtpmap:{offer.video_pt} {codec}/90000",
            *(f"a=rtcp-fb:{offer.video_pt} {name}" for name in ("nack", "nack pli", "transport-cc")),
            f"a=rtpmap:{offer.rtx_pt} rtx/90000",
            f"a=fmtp:{offer.rtx_pt} apt={offer.video_pt}",
        ],
    }
    for mid, (kind, (numbers, *attributes)) in enumerate(payloads.items()):
        lines += [f"m={kind} {port} UDP/TLS/RTP/SAVPF {numbers}", "c=IN IP4 127.0.0.1", f"a=mid:{mid}", "a=sendrecv"]
        lines += ["a=rtcp-mux", "a=rtcp-rsize", "a=setup:passive", f"a=fingerprint:sha-256 {fingerprint}"]
        lines += [f"a=ice-ufrag:{ice[0]}", f"a=ice-pwd:{ice[1]}", f"a=candidate:1 1 udp 2130706431 127.0.0.1 {port} typ host"]
        lines += ["a=end-of-candidates", f"a=msid:echo {kind}", *map(str, attributes)]
        lines += re.findall(r"a=fmtp:" + str(numbers).split()[0] + r" .*", offer.sections[mid].replace("\r", ""))
        lines += [f"a=extmap:{n} {uri}" for n, uri in offer.extensions.items() if f" {uri}\r\n" in offer.sections[mid]]
        if kind == "video":
            lines += [f"a=ssrc-group:FID {video_ssrc} {rtx_ssrc}"]
        lines += [f"a=ssrc:{ssrc} cname:echo" for ssrc in ([audio_ssrc] if kind == "audio" else [video_ssrc, rtx_ssrc])]
    return "\r\n".join(lines) + "\r\n"


class Program:
    """The running program; `lines` are those after the first."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.lines: list[str] = []
        self.process = process
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(line.decode().strip())

    async def says(self, pattern: str) -> str:
        """The first line that matches, now or later."""
        return await until(
            lambda: next((line for line in self.lines if re.fullmatch(pattern, line)), None), what=f"{pattern} in {self.lines}"
        )

    async def end(self) -> int:
        """SIGTERM; the exit status."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            await self.process.wait()
            await self._reader
        assert self.process.returncode is not None
        return self.process.returncode


@asynccontextmanager
async def running(program: Path, *arguments: object) -> AsyncIterator[Program]:
    process = await asyncio.create_subprocess_exec(
        program,
        *map(str, arguments),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"LD_LIBRARY_PATH": str(LIBRARY)},
    )
    running = Program(process)
    try:
        yield running
    finally:
        await running.end()


def write_certificate(folder: Path) -> list[Path]:
    certificate = Certificate.generate()
    for name, text in (("cert.pem", certificate.cert_pem), ("key.pem", certificate.key_pem)):
        (folder / name).write_bytes(text)
    return [folder / "cert.pem", folder / "key.pem"]


async def check_echo(page: Page, codec: str) -> None:
    """The page's own pictures and sound come back, and it is told what arrived of what it sent."""
    now = await media.wait_frames(page, 60)
    came, sent = now["inbound"]["video"], now["outbound"]["video"]
    assert came["mimeType"].lower() == f"video/{codec}".lower()
    assert came["framesDecoded"] <= sent["framesSent"]
    assert (came["frameWidth"], came["frameHeight"]) == (sent["frameWidth"], sent["frameHeight"])
    await media.wait_moving(page)
    assert await media.audio_level(page) > 0.01

    async def reported() -> bool:
        video = (await media.stats(page))["outbound"]["video"]
        return bool(video.get("remote", {}).get("roundTripTime", 0) > 0)

    await until(reported, what="receiver reports with a round trip")


@asynccontextmanager
async def call(
    program: Path,
    page: Page,
    folder: Path,
    codec: str = "VP8",
    *,
    step: bool = False,
    fingerprint: str = "",
    extensions: bool = True,
) -> AsyncIterator[Program]:
    """The page's offer, the program with what it says, and an answer made of both. `fingerprint` replaces the page's."""
    await media.inject(page)
    offer = Offered.read(await page.evaluate(_OFFER, codec))
    if not extensions:
        offer.extensions.clear()
    ice = (secrets.token_hex(4), secrets.token_hex(16))
    arguments = ["--step"] if step else []
    arguments += [*ice, fingerprint or offer.fingerprint, offer.audio_pt, codec, offer.video_pt, offer.rtx_pt]
    arguments += [*write_certificate(folder), 0, *(f"{n}={uri}" for n, uri in offer.extensions.items())]
    async with running(program, *arguments) as started:
        _, *ready = (await started.says("ready .*")).split()
        await page.evaluate(
            "await rtc.pc.setRemoteDescription(arg)", {"type": "answer", "sdp": answer(offer, codec, ice, ready)}
        )
        yield started


@pytest.mark.parametrize(("codec", "step"), [("VP8", False), ("VP8", True), ("H264", False)])
async def test_echo(codec: str, step: bool, echo: Path, chrome: ChromiumPage, pages: Pages, tmp_path: Path) -> None:
    page = await pages.open(chrome)
    async with call(echo, page, tmp_path, codec, step=step) as program:
        await media.wait_connected(page)
        await program.says(r"transport connected \S+:\d+")
        await check_echo(page, codec)
        for kind in ("audio", "video"):
            line = await program.says(rf"receiver {kind} \d+")
            sent = (await media.stats(page))["outbound"][kind]
            assert line.split()[2] == str(sent["ssrc"])
        threads = os.listdir(f"/proc/{program.process.pid}/task")
        assert len(threads) == (1 if step else 3)
        assert await program.end() == 0
        # It has said goodbye (close_notify): the page need not wait until its checks fail.
        await until(lambda: is_over(page), what="the end of the page's connection")


async def is_over(page: Page) -> bool:
    return (await media.stats(page))["transport"]["dtlsState"] == "closed"


async def test_the_page_leaves(echo: Path, chrome: ChromiumPage, pages: Pages, tmp_path: Path) -> None:
    page = await pages.open(chrome)
    async with call(echo, page, tmp_path, extensions=False) as program:
        await media.wait_frames(page, 5)
        await media.close(page)
        await program.says(r"transport closed \S* closed by the peer")
        assert await program.end() == 0


async def test_another_certificate_is_refused(echo: Path, chrome: ChromiumPage, pages: Pages, tmp_path: Path) -> None:
    page = await pages.open(chrome)
    other = f"sha-256 {Certificate.generate().fingerprint('sha-256')}"
    async with call(echo, page, tmp_path, fingerprint=other) as program:
        assert "fingerprint" in await program.says(r"transport closed .* DTLS failed: .*")


@pytest.mark.parametrize(
    ("arguments", "status", "word"),
    [
        ([], 2, "usage"),
        (["ufrag", "p" * 22, "sha-256 AB", 111, "VP8", 96, 97], 1, "transport: invalid argument"),
        (["u", "p" * 22, "sha-256 " + ":".join(["AB"] * 32), 111, "VP8", 96, 97], 1, "transport: invalid argument"),
        (["ufrag", "p" * 22, "sha-256 " + ":".join(["AB"] * 32), 111, "VP8", 200, 97], 1, "receiver: invalid argument"),
        (["ufrag", "p" * 22, "sha-256 " + ":".join(["AB"] * 32), 111, "H261", 96, 97], 1, "no such codec"),
    ],
)
async def test_a_bad_argument_is_told(arguments: list[object], status: int, word: str, echo: Path, tmp_path: Path) -> None:
    if arguments:
        arguments = [*arguments, *write_certificate(tmp_path), 0]
    process = await asyncio.create_subprocess_exec(
        echo, *map(str, arguments), stderr=asyncio.subprocess.PIPE, env=os.environ | {"LD_LIBRARY_PATH": str(LIBRARY)}
    )
    _, errors = await process.communicate()
    assert (process.returncode, word in errors.decode()) == (status, True), errors
