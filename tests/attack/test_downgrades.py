"""B6: offers that would have us send without DTLS, under keys from the description, or to a certificate nobody names. What
DTLS itself may agree on (no 32-bit tag, no SRTP at all) is in downgrade_test.c."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable

import pytest

from rtcengine.relay import Relay
from rtcengine.sdp import (
    LocalStream,
    LocalTransport,
    NegotiationError,
    PublishedTrack,
    answer_publisher,
    answer_viewer,
    parse,
)
from rtcengine.types import Fingerprint
from tests.unit.whip_kit import offer, post, publish

LOCAL = LocalTransport(session_id=1, ice_ufrag="abcd", ice_pwd="p" * 24, fingerprints=(Fingerprint("sha-256", b"x" * 32),))
STREAMS = {kind: LocalStream(1, 2, "c", "s", "t") for kind in ("audio", "video")}
CLIENTS = ["chromium", "firefox", "gst"]
DTLS = "UDP/TLS/RTP/SAVPF"
MUX = "a=rtcp-mux\r\n"
CRYPTO = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR\r\n"


def without(pattern: str, text: str) -> str:
    return re.sub(rf"a={pattern}[^\r]*\r\n", "", text)


def with_hash(name: str, size: int, text: str) -> str:
    return re.sub(r"fingerprint:[^\r]*", f"fingerprint:{name} " + ":".join(["00"] * size), text)


DOWNGRADES: dict[str, Callable[[str], str]] = {
    "plain RTP": lambda t: t.replace(DTLS, "RTP/AVP"),
    "plain RTP with feedback": lambda t: t.replace(DTLS, "RTP/AVPF"),
    "SDES profile": lambda t: t.replace(DTLS, "RTP/SAVP"),
    "SDES profile with feedback": lambda t: t.replace(DTLS, "RTP/SAVPF"),
    "DTLS without feedback": lambda t: t.replace(DTLS, "UDP/TLS/RTP/SAVP"),
    "crypto in every section": lambda t: t.replace(MUX, CRYPTO + MUX),
    "crypto in one section": lambda t: t.replace(MUX, CRYPTO + MUX, 1),
    "crypto at session level": lambda t: t.replace("t=0 0\r\n", "t=0 0\r\n" + CRYPTO),
    "crypto instead of a fingerprint": lambda t: without("fingerprint", t.replace(MUX, CRYPTO + MUX)),
    "no fingerprint": lambda t: without("fingerprint", t),
    "only md5": lambda t: with_hash("md5", 16, t),
    "only sha-1": lambda t: with_hash("sha-1", 20, t),
}


@pytest.fixture
async def relay() -> AsyncIterator[Relay]:
    async with Relay(udp_port=0) as made:
        yield made


def test_there_are_twelve() -> None:
    assert len(DOWNGRADES) == 12


@pytest.mark.parametrize("case", DOWNGRADES)
def test_b6_downgrades_are_refused(case: str) -> None:
    tracks: dict[str, PublishedTrack] = {}
    for client in CLIENTS:
        name = f"{client}_offer"
        answer = answer_publisher(parse(offer(name)), LOCAL)  # as it is, it is taken
        tracks = {s.kind: PublishedTrack(s.codec, s.extensions) for s in answer.sections if s.codec}
        with pytest.raises(NegotiationError) as refused:
            answer_publisher(parse(changed(case, name)), LOCAL)
        assert refused.value.status == 422
    for client in CLIENTS:
        name = f"{client}_whep_offer"
        assert answer_viewer(parse(offer(name)), LOCAL, tracks, STREAMS).sections
        with pytest.raises(NegotiationError) as refused:
            answer_viewer(parse(changed(case, name)), LOCAL, tracks, STREAMS)
        assert refused.value.status == 422


@pytest.mark.parametrize("case", DOWNGRADES)
async def test_b6_downgrades_make_no_session(case: str, relay: Relay) -> None:
    await publish(relay, "taken")
    for path, name in (("/free/whip", "chromium_offer"), ("/taken/whep", "chromium_whep_offer")):
        response = await post(relay, path, changed(case, name).encode())
        assert response.status == 422
        assert response.header("location") is None
    assert list(relay.rooms) == ["taken"]
    assert not relay.rooms["taken"].viewers


def changed(case: str, name: str) -> str:
    text = offer(name).decode()
    made = DOWNGRADES[case](text)
    assert made != text
    return made
