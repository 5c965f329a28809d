"""Who a peer says that it is: answers that are no clear yes, identities that prove nothing (E12, E13)."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from rtcengine import AudioStreamTrack, NetworkOptions, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from rtcengine.peer.errors import IdentityError
from tests.unit.peer_kit import FakeRemoteTrack, connection
from tests.util import until

HERE = NetworkOptions(addresses=("127.0.0.1",))
ALICE = "alice@example.org"


async def _broken(certificates: list[bytes]) -> bool:
    raise RuntimeError("no answer")


def _at_once(certificates: list[bytes]) -> bool:
    raise RuntimeError("no answer")


async def test_e12_answers_that_are_no_yes() -> None:
    """What is not True, and what fails, leaves the peer without keys: not a packet of media, in neither direction."""
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    answers: list[Callable[[list[bytes]], Any]] = [_broken, _at_once]
    answers += [lambda certificates, said=said: said for said in (None, 1, "yes", [True], False)]  # type: ignore[misc]

    async def one(verify: Callable[[list[bytes]], Any]) -> None:
        a, b = RTCPeerConnection(network=HERE), RTCPeerConnection(RTCConfiguration(verify_peer=verify), network=HERE)
        tracks: list[Any] = []
        b.on("track", tracks.append)
        try:
            a.addTrack(AudioStreamTrack())
            b.addTrack(AudioStreamTrack())
            await a.setLocalDescription()
            await b.setRemoteDescription(a.localDescription)  # type: ignore[arg-type]
            await b.setLocalDescription()
            await a.setRemoteDescription(b.localDescription)  # type: ignore[arg-type]
            await until(lambda: b.connectionState == "failed", what="it is refused")
            [report] = (await b.report()).transports
            assert report.ended.startswith("the peer was not accepted")
            assert all("first media" not in moment.what for moment in b.timeline)
            assert b.getReceivers()[0].track is tracks[0]
        finally:
            await asyncio.gather(a.close(), b.close())

    await asyncio.gather(*map(one, answers))


class Provider:
    """Asserts what it is asked for; `says` is what it validates, in place of the truth."""

    domain = "example.org"

    def __init__(self, user: str = ALICE, says: Any = None) -> None:
        self.user, self.says, self.contents = user, says, ""

    async def generate(self, contents: str) -> str:
        self.contents = contents
        return "0"

    async def validate(self, assertion: str, origin: str) -> Any:
        if isinstance(self.says, Exception):
            raise self.says
        return self.says if self.says is not None else {"identity": self.user, "contents": self.contents}


async def offer_of(provider: Provider) -> RTCSessionDescription:
    pc = connection()
    pc.setIdentityProvider(provider)
    pc.addTrack(FakeRemoteTrack("audio", "t"))
    return await pc.createOffer()


async def refused(provider: Provider, offer: RTCSessionDescription, target: str | None, *, closed: bool = False) -> None:
    pc = connection(RTCConfiguration(peerIdentity=target))
    pc.trustIdentityProvider(provider)
    with pytest.raises(IdentityError):
        await pc.setRemoteDescription(offer)
    assert pc.remoteDescription is None and pc.driver.effects == []  # type: ignore[attr-defined]
    assert pc.signalingState == ("closed" if closed else "stable")


async def test_e13_identities_that_prove_nothing() -> None:
    true = Provider()
    offer = await offer_of(true)
    good = connection(RTCConfiguration(peerIdentity=ALICE))
    good.trustIdentityProvider(true)
    await good.setRemoteDescription(offer)  # the true one passes
    bare = "".join(line for line in offer.sdp.splitlines(True) if not line.startswith("a=identity"))
    await refused(true, RTCSessionDescription(bare, "offer"), ALICE)
    mallory = await offer_of(Provider())  # another certificate, under the assertion of the first
    [said] = [line for line in offer.sdp.splitlines(True) if line.startswith("a=identity")]
    stolen = "".join(said if line.startswith("a=identity") else line for line in mallory.sdp.splitlines(True))
    await refused(true, RTCSessionDescription(stolen, "offer"), ALICE)
    more = f"{offer.sdp}a=fingerprint:sha-256 {':'.join(['AB'] * 32)}\r\n"  # one more of a section, that nobody asserts
    await refused(true, RTCSessionDescription(more, "offer"), ALICE)
    bob = Provider(says={"identity": "bob@example.org", "contents": true.contents})
    await refused(bob, offer, ALICE, closed=True)
    await refused(Provider(says={"identity": "alice@example.com", "contents": true.contents}), offer, None)
    lies: list[Any] = [ValueError("broken"), [], {"identity": ALICE}, {"identity": ALICE, "contents": "{}"}, ALICE]
    lies += [{"identity": ALICE, "contents": json.dumps({"fingerprint": []})}, {"identity": 5, "contents": true.contents}]
    for says in lies:
        await refused(Provider(says=says), offer, None)
    other = base64.b64encode(json.dumps({"idp": {"domain": "example.net"}, "assertion": "0"}).encode()).decode()
    unknown = offer.sdp.replace(said, f"a=identity:{other}\r\n")
    await refused(true, RTCSessionDescription(unknown, "offer"), None)
    foreign = Provider(says={"identity": "alice@example.net", "contents": true.contents})  # whom it may not speak for
    await refused(foreign, RTCSessionDescription(unknown, "offer"), None)
    never: Mapping[str, str] = {}
    await refused(Provider(says=never), offer, None)
