"""Proves the browser harness itself, without a relay: browsers call themselves and each other."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from tests.browser import media
from tests.browser.chromium import ChromiumPage, chromium
from tests.browser.clips import noisy_clip
from tests.browser.drivers import BrowserError, JavaScriptError, Page
from tests.browser.firefox import FirefoxPage, firefox
from tests.browser.serve import blank_page_server, signalling
from tests.interop.netns import drop_udp, namespace, run
from tests.util import until

Launcher = Callable[..., AbstractAsyncContextManager[ChromiumPage | FirefoxPage]]
# The scenes of the relay use all of this in every run; what it promises in detail is checked in the long one.
pytestmark = pytest.mark.long

BROWSERS: dict[str, Launcher] = {"chromium": chromium, "firefox": firefox}


def png_size(path: Path) -> tuple[int, int]:
    """Width and height from a PNG's header."""
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", data[16:24])
    return width, height


async def check_received(page: Page, mime_type: str, frames: int = 30) -> None:
    """The page decodes moving pictures of that codec, and audible sound."""
    now = await media.wait_frames(page, frames)
    video = now["inbound"]["video"]
    assert video["mimeType"].lower() == mime_type.lower()
    assert video["frameWidth"] > 0 and video["packetsReceived"] > 0
    assert now["pair"]["remote"]["protocol"] == "udp"
    pictures = await media.wait_moving(page)
    assert len(pictures) >= 3
    assert await media.audio_level(page) > 0.001


@pytest.mark.parametrize("name", BROWSERS)
async def test_evaluate(name: str) -> None:
    async with BROWSERS[name]() as page:
        assert await page.evaluate("1 + 1") == 2
        assert await page.evaluate("await Promise.resolve({a: [1, null, 'ü']})") == {"a": [1, None, "ü"]}
        assert await page.evaluate("const twice = 2 * arg;\nreturn twice; // a comment", 21) == 42
        assert await page.evaluate("(() => { return 4; })()") == 4
        assert await page.evaluate("undefined") is None
        # An error of the code's own must not be taken for one that does not compile, and run twice.
        with pytest.raises(JavaScriptError, match=r"SyntaxError.*JSON"):
            await page.evaluate("window.runs = (window.runs || 0) + 1, JSON.parse('{mine')")
        assert await page.evaluate("window.runs") == 1
        with pytest.raises(JavaScriptError, match="does not compile"):
            await page.evaluate("a b c")
        with pytest.raises(TimeoutError):
            await page.evaluate("await new Promise(() => {})", timeout=0.2)
        assert await page.evaluate("'still here'") == "still here"


@pytest.mark.parametrize("name", BROWSERS)
async def test_pages_console_screenshot(name: str, tmp_path: Path) -> None:
    async with blank_page_server() as url, BROWSERS[name](window=(900, 700)) as page:
        await page.goto(url)
        assert await page.evaluate("isSecureContext && location.href") == url
        await page.evaluate("console.warn('seen', 1)")
        await until(lambda: any(m.level == "warning" and "seen 1" in m.text for m in page.console))
        other = await page.new_page()
        await other.goto(url + "?other")
        await other.evaluate("setTimeout(() => { throw new Error('late'); })")
        await until(lambda: any(m.level == "error" and "late" in m.text for m in other.console))
        assert not any("late" in m.text for m in page.console)
        assert await page.evaluate("document.visibilityState") == "visible"
        assert await other.evaluate("document.visibilityState") == "visible"
        await page.evaluate("document.body.innerHTML = '<h1>a heading</h1>'")
        shot = tmp_path / "page.png"
        await page.screenshot(shot)
        width, height = png_size(shot)
        assert width == 900 and 400 < height <= 700
        assert shot.stat().st_size > 1000
        await other.close()
        assert await page.evaluate("document.body.innerText") == "a heading"
        closed = await _closed_port()
        with pytest.raises(BrowserError, match=r"(?i)refused"):
            await page.goto(f"http://127.0.0.1:{closed}/")


@pytest.mark.parametrize("name", BROWSERS)
async def test_nothing_is_left(name: str) -> None:
    before = _processes()
    async with BROWSERS[name]() as page:
        group = page.pid
        profiles = {word for line in _processes() - before for word in line.split() if "rtcengine-" in word}
        assert profiles
    with pytest.raises(ProcessLookupError):
        os.killpg(group, 0)
    await until(lambda: not any(p in line for line in _processes() for p in profiles))
    paths = [Path(p.removeprefix("--user-data-dir=")) for p in profiles if p.startswith(("/", "--user-data-dir="))]
    assert paths and not any(p.exists() for p in paths)


@pytest.mark.parametrize("codec", ["VP8", "H264", "VP9", "AV1"])
async def test_chromium_loopback(codec: media.Codec) -> None:
    async with blank_page_server() as url, chromium() as page:
        await page.goto(url)
        await media.loopback(page, codec=codec)
        await media.wait_connected(page)
        await check_received(page, f"video/{codec}")
        now = await media.stats(page)
        sent = now["outbound"]["video"]
        assert sent["framesEncoded"] > 0 and sent["bytesSent"] > 0 and sent["targetBitrate"] > 0
        assert now["transport"]["dtlsState"] == "connected" and now["transport"]["srtpCipher"]
        await media.close(page)


@pytest.mark.parametrize("codec", ["VP8", "VP9"])
async def test_firefox_loopback(codec: media.Codec) -> None:
    async with blank_page_server() as url, firefox() as page:
        await page.goto(url)
        await media.loopback(page, codec=codec)
        await media.wait_connected(page)
        await check_received(page, f"video/{codec}")


async def test_chromium_publishes_to_firefox_and_watches_it() -> None:
    async with blank_page_server() as url, chromium() as chrome, firefox() as fox:
        chrome_watcher = await chrome.new_page()
        fox_sender = await fox.new_page()
        for page in (chrome, chrome_watcher, fox, fox_sender):
            await page.goto(url)

        async with signalling(lambda offer: media.answer(fox, offer), token="t") as (whip, seen):
            with pytest.raises(media.SignallingError) as refused:
                await media.whip_publish(chrome, whip, token="wrong")
            assert refused.value.reply.status == 401
            reply = await media.whip_publish(chrome, whip, token="t", max_bitrate=400_000)
            assert reply.location == whip.replace("/room/whip", "/session/1")
            assert "a=candidate" in reply.offer and "a=sendonly" in reply.offer
            await media.wait_connected(chrome)
            await check_received(fox, "video/VP8")
            sent = (await media.stats(chrome))["outbound"]["video"]
            assert sent["targetBitrate"] <= 400_000

            async with signalling(lambda offer: media.answer(fox_sender, offer, {"video": True, "audio": True})) as (
                whep,
                _,
            ):
                reply = await media.whep_watch(chrome_watcher, whep, codec="VP8")
                assert "a=recvonly" in reply.offer
                await check_received(chrome_watcher, "video/VP8")

            assert await media.hang_up(chrome) == 200
            assert seen[-1] == "DELETE"


async def test_two_chromium_pages_at_once() -> None:
    async with blank_page_server() as url, chromium() as first:
        second = await first.new_page()
        for page in (first, second):
            await page.goto(url)
            await media.loopback(page, audio=False)
        await asyncio.gather(*(media.wait_frames(page, 40) for page in (first, second)))


async def test_mdns_hides_addresses() -> None:
    for mdns in (True, False):
        async with blank_page_server() as url, chromium(mdns=mdns, fake_devices=False) as page:
            await page.goto(url)
            offer = await page.evaluate(
                "const pc = new RTCPeerConnection(); pc.createDataChannel('x'); const all = [];\n"
                "pc.onicecandidate = (e) => all.push(e.candidate ? e.candidate.candidate : null);\n"
                "await pc.setLocalDescription();\n"
                "const next = () => new Promise((done) => pc.addEventListener('icecandidate', done, {once: true}));\n"
                "while (!all.includes(null)) await next();\n"
                "return all.filter((c) => c).join('\\n');"
            )
            assert (".local" in offer) is mdns, offer


async def test_chromium_plays_a_clip_as_camera() -> None:
    clip = noisy_clip(seconds=2)
    async with blank_page_server() as url, chromium(fake_video=clip) as page:
        await page.goto(url)
        await media.loopback(page, video={"width": 640, "height": 480}, max_bitrate=3_000_000, audio=False)
        now = await media.wait_frames(page, 60)
        video = now["inbound"]["video"]
        assert (video["frameWidth"] or 0) >= 320
        pictures = await media.wait_moving(page, pictures=5)
        assert len(pictures) >= 5
        shown = await media.sample_pixels(page)
        assert shown is not None
        assert 90 < shown.luma < 180  # grey noise, unlike the green of the built-in fake camera
        # The encoder wants all that it is given: the rate passes 1 Mb/s as soon as the estimate allows.
        await until(lambda: _target_above(page, 1_000_000), timeout=30, what="a target bitrate above 1 Mb/s")


async def test_missing_clip_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BrowserError, match="no such clip"):
        async with chromium(fake_video=tmp_path / "none.y4m"):
            pass


async def test_chromium_in_a_network_namespace() -> None:
    async with namespace() as ns:
        async with blank_page_server(host=ns.host_address, name=ns.host_address) as url:
            async with chromium(netns=ns.name, secure_origins=[url.rstrip("/")]) as page:
                assert await page.evaluate("6 * 7") == 42
                await page.goto(url)
                assert await page.evaluate("isSecureContext")
                await media.loopback(page)
                now = await media.wait_connected(page)
                assert now["pair"]["remote"]["address"] == ns.address
                await media.wait_frames(page, 20)
        assert ns.name in await run("ip", "netns", "list")
    assert ns.name not in await run("ip", "netns", "list")
    assert ns.link not in await run("ip", "link")


async def test_drop_udp_loses_the_share_it_says() -> None:
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sink, sender:
        sink.bind(("127.0.0.1", 0))
        sink.setblocking(False)
        sender.connect(sink.getsockname())
        total, received = 3000, 0

        def read() -> int:
            nonlocal received
            with contextlib.suppress(BlockingIOError):
                while sink.recv(100):
                    received += 1
            return received

        async with drop_udp(20, sink.getsockname()[1]) as loss:
            for number in range(total):
                sender.send(str(number).encode())
                read()  # at once: the socket's buffer is small

            async def accounted() -> bool:
                return read() + await loss.dropped() == total

            await until(accounted)
        assert 0.75 * total < received < 0.85 * total
        sender.send(b"after")
        before = received
        await until(lambda: read() == before + 1)
    assert f"rtctest_{os.getpid()}_" not in await run("nft", "list", "tables")


async def test_drop_udp_inside_a_namespace() -> None:
    async with namespace() as ns, drop_udp(100, 40000, netns=ns) as loss:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(5):
                sender.sendto(b"lost", (ns.address, 40000))

            async def all_dropped() -> bool:
                return await loss.dropped() == 5

            await until(all_dropped)


async def test_until_tells_the_last_value() -> None:
    with pytest.raises(AssertionError, match=r"something was not met in 0.1 s; last value: 0"):
        await until(lambda: 0, timeout=0.1, what="something")
    with pytest.raises(AssertionError, match="no call of the condition returned"):
        await until(lambda: asyncio.sleep(5, result=True), timeout=0.1)
    assert await until(lambda: asyncio.sleep(0, result=7)) == 7


async def _target_above(page: Page, rate: int) -> bool:
    return bool((await media.stats(page))["outbound"]["video"].get("targetBitrate", 0) > rate)


async def _closed_port() -> int:
    server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


def _processes() -> set[str]:
    lines = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                lines.add((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return lines
