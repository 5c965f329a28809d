"""Proves the peers without a relay: each publishes to, and watches, a Chromium page."""

from __future__ import annotations

import asyncio
import datetime
import re
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.browser import media
from tests.browser.chromium import chromium
from tests.browser.drivers import Page
from tests.browser.serve import blank_page_server, signalling
from tests.interop import aiortc_peer, ffmpeg_peer, peers
from tests.util import until

# The peers against a browser, without us: whether they work at all. Every run has them against the relay.
pytestmark = pytest.mark.long

CAMERA = {"video": media.CAMERA, "audio": True}
RECORDED_OFFER = Path(__file__).resolve().parents[1] / "vectors" / "sdp" / "ffmpeg_whip_offer.sdp"


async def check_page(page: Page, codec: str) -> None:
    """The page decodes moving pictures of that codec, and audible sound."""
    now = await media.wait_frames(page, 30)
    assert now["inbound"]["video"]["mimeType"].lower() == f"video/{codec}".lower()
    await media.wait_moving(page)
    assert await media.audio_level(page) > 0.01


def write_certificate(folder: Path) -> list[str]:
    """Write a self-signed P-256 certificate and its key; gives FFmpeg's options."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "peer")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    certificate = builder.sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    plain = serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return ["--cert", str(folder / "cert.pem"), "--key", str(folder / "key.pem")]


@pytest.mark.parametrize("codec", ["VP8", "VP9", "H264"])
async def test_gstreamer(codec: str) -> None:
    async with blank_page_server() as url, chromium() as page:
        await page.goto(url)
        options = ("--token", "tok", "--codec", codec)
        async with signalling(lambda offer: media.answer(page, offer), token="tok") as (whip, seen):
            async with peers.program(peers.gst("publish", whip, *options)) as publisher:
                await publisher.wait("state", lambda e: bool(e["value"] == "connected"))
                await check_page(page, codec)
                assert await publisher.stop() == 0
            assert seen == ["POST", "DELETE"]
        await media.close(page)
        async with signalling(lambda offer: media.answer(page, offer, CAMERA), token="tok") as (whep, seen):
            async with peers.program(peers.gst("watch", whep, *options)) as viewer:
                await viewer.wait_frames(video=30, audio=30)
                assert await viewer.stop() == 0
            assert seen == ["POST", "DELETE"]


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_aiortc(codec: str) -> None:
    async with blank_page_server() as url, chromium() as page:
        await page.goto(url)
        async with signalling(lambda offer: media.answer(page, offer), token="tok") as (whip, seen):
            async with aiortc_peer.publish(whip, "tok", codec=codec) as publisher:
                await check_page(page, codec)
                assert publisher.frames["video"] >= 30
            assert seen == ["POST", "DELETE"]
        await media.close(page)
        async with signalling(lambda offer: media.answer(page, offer, CAMERA), token="tok") as (whep, _):
            async with aiortc_peer.watch(whep, "tok", codec=codec) as viewer:
                await until(lambda: min(viewer.frames.values()) >= 30, timeout=30)
                assert viewer.sizes


async def test_aiortc_program() -> None:
    async with blank_page_server() as url, chromium() as page:
        await page.goto(url)
        async with signalling(lambda offer: media.answer(page, offer)) as (whip, seen):
            async with peers.program(peers.aiortc("publish", whip)) as publisher:
                await check_page(page, "VP8")
                assert await publisher.stop() == 0
            assert seen == ["POST", "DELETE"]


async def test_ffmpeg(tmp_path: Path) -> None:
    """As DTLS client. As server, its own choice, it now and then never hears a browser; ours it must (test_relay_peers)."""
    options = ["--token", "tok", *write_certificate(tmp_path), "--dtls-active"]
    async with blank_page_server() as url, chromium() as page:
        await page.goto(url)

        async def answer(offer: str) -> str:
            # Chromium refuses an ssrc-group whose second SSRC has no a=ssrc line, as FFmpeg writes it.
            return await media.answer(page, re.sub(r"a=ssrc-group:.*\r\n", "", offer))

        async with signalling(answer, token="tok") as (whip, seen):
            async with peers.program(peers.ffmpeg(whip, *options)) as publisher:
                await publisher.wait_frames(video=30, audio=30)
                await check_page(page, "H264")
                assert await publisher.stop() == 0
            assert seen == ["POST", "DELETE"]


@pytest.mark.parametrize("argv", [peers.gst, peers.aiortc])
async def test_refusal_is_told(argv: peers.CommandLine) -> None:
    async def never(_offer: str) -> str:
        raise AssertionError("the token was wrong")

    async with signalling(never, token="tok") as (url, _):
        for mode in ("publish", "watch"):
            async with peers.program(argv(mode, url, "--token", "wrong")) as peer:
                assert (await peer.wait("answer"))["status"] == 401
                with pytest.raises(peers.PeerFailed, match="401"):
                    await peer.wait("state", lambda e: bool(e["value"] == "connected"))
                assert await peer.ended() == 1
        with pytest.raises(aiortc_peer.PeerError) as refused:
            async with aiortc_peer.watch(url, "wrong"):
                pass
        assert refused.value.status == 401


async def test_ffmpeg_offer_is_the_recorded_one() -> None:
    """But for what is random and for the level, which follows the picture's size."""

    def shape(sdp: str) -> list[str]:
        random = ("o=", "a=ice-ufrag", "a=ice-pwd", "a=fingerprint", "a=ssrc")
        lines = [line for line in sdp.splitlines() if not line.startswith(random)]
        return [re.sub(r"(profile-level-id=....)..", r"\1", line) for line in lines]

    offer = await asyncio.to_thread(ffmpeg_peer.capture)
    assert shape(offer) == shape(RECORDED_OFFER.read_bytes().decode())
    assert "a=setup:passive" in offer and "a=candidate" not in offer
