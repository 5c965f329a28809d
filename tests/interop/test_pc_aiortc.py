"""RTCPeerConnection against aiortc's: both roles, each SRTP profile, pictures both ways."""

from __future__ import annotations

import sys

import pytest

from tests.interop import peers
from tests.interop.nat import network
from tests.interop.pipe_peer import connect

ENOUGH = 15  # decoded pictures
PROFILES = {  # OpenSSL's names, which aiortc goes by, and those of RFC 5764
    "SRTP_AEAD_AES_256_GCM": "AEAD_AES_256_GCM",
    "SRTP_AEAD_AES_128_GCM": "AEAD_AES_128_GCM",
    "SRTP_AES128_CM_SHA1_80": "AES_CM_128_HMAC_SHA1_80",
}


def peer(library: str, *options: str) -> list[str]:
    return [sys.executable, "-m", "tests.interop.nat_peer", "--library", library, *options]


# Every profile and both roles in every run; all of both in `make long`.
CASES = [
    pytest.param(offers, profile, marks=[] if offers == (i % 2 == 0) else [pytest.mark.long])
    for i, profile in enumerate(PROFILES)
    for offers in (True, False)
]


@pytest.mark.parametrize(("ours_offers", "profile"), CASES)
async def test_aiortc(ours_offers: bool, profile: str) -> None:
    async with network() as net:
        here, there = await net.open_host(), await net.open_host()
        ours = peers.program(peer("rtcengine"), here, commands=True)
        theirs = peers.program(peer("aiortc", "--profile", profile), there, commands=True)
        async with ours as us, theirs as them:
            async with connect(*((us, them) if ours_offers else (them, us))):
                for one in (us, them):
                    await one.wait("counts", lambda e: bool(e["video"] >= ENOUGH))
                pair = await us.wait("pair")
                assert (pair["local"], pair["remote"], pair["srtp"]) == ("host", "host", PROFILES[profile])
