"""Identities by a provider: what is asserted, what is refused, and that a refused description changes nothing."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from rtcengine.peer import identity
from rtcengine.peer.configuration import RTCConfiguration
from rtcengine.peer.connection import RTCPeerConnection
from rtcengine.peer.description import RTCSessionDescription
from rtcengine.peer.errors import IdentityError, InvalidModificationError, InvalidStateError, OperationError, RTCError
from rtcengine.peer.identity import RTCIdentityAssertion

from .peer_kit import FakeRemoteTrack, connection, exchange

ALICE = "alice@example.org"


class Provider:
    """Keeps what it asserted; an assertion is the number it has there."""

    kept: list[tuple[str, str]]

    def __init__(self, user: str = ALICE, domain: str = "example.org", kept: list[tuple[str, str]] | None = None) -> None:
        self.user, self.domain = user, domain
        self.kept = kept if kept is not None else []
        self.origins: list[str] = []

    async def generate(self, contents: str) -> str:
        self.kept.append((self.user, contents))
        return str(len(self.kept) - 1)

    async def validate(self, assertion: str, origin: str) -> Mapping[str, str]:
        self.origins.append(origin)
        user, contents = self.kept[int(assertion)]
        return {"identity": user, "contents": contents}


def caller(provider: Any = None, target: str | None = None) -> RTCPeerConnection:
    pc = connection(RTCConfiguration(peerIdentity=target))
    if provider is not None:
        pc.setIdentityProvider(provider)
    pc.addTrack(FakeRemoteTrack("audio", "t"))
    return pc


def callee(*trusted: Any, target: str | None = None) -> RTCPeerConnection:
    pc = connection(RTCConfiguration(peerIdentity=target))
    for provider in trusted:
        pc.trustIdentityProvider(provider)
    return pc


def said(description: RTCSessionDescription | None) -> dict[str, Any] | None:
    assert description is not None
    found = re.findall(r"a=identity:(\S+)\r\n", description.sdp)
    assert len(found) <= 1
    return json.loads(base64.b64decode(found[0])) if found else None


def with_identity(offer: RTCSessionDescription, text: str | None) -> RTCSessionDescription:
    sdp = re.sub(r"a=identity:\S+\r\n", "", offer.sdp)
    if text is not None:
        sdp = sdp.replace("a=group", f"a=identity:{text}\r\na=group", 1)
    return RTCSessionDescription(sdp, offer.type)


def envelope(value: object) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


async def refused(pc: RTCPeerConnection, description: RTCSessionDescription, why: str, detail: str) -> None:
    """By setRemoteDescription, with nothing done."""
    state = pc.signalingState
    effects = list(pc.driver.effects)  # type: ignore[attr-defined]
    with pytest.raises(IdentityError, match=why) as caught:
        await pc.setRemoteDescription(description)
    assert isinstance(caught.value, OperationError) and caught.value.errorDetail == detail
    assert pc.remoteDescription is None and pc.signalingState == state
    assert pc.driver.effects == effects  # type: ignore[attr-defined]


async def test_what_is_asserted() -> None:
    provider = Provider()
    pc = caller(provider)
    offer = await pc.createOffer()
    assert said(offer) == {"idp": {"domain": "example.org", "protocol": "default"}, "assertion": "0"}
    [(_, contents)] = provider.kept
    [entry] = json.loads(contents)["fingerprint"]
    assert f"a=fingerprint:{entry['algorithm']} {entry['digest']}\r\n" in offer.sdp
    assert offer.sdp.index("a=identity") < offer.sdp.index("m=")
    assert said(await pc.createOffer()) == said(offer) | {"assertion": "1"}  # type: ignore[operator]
    await pc.setLocalDescription()  # implicit: as it was said last
    assert said(pc.localDescription)["assertion"] == "1"  # type: ignore[index]
    assert await pc.getIdentityAssertion() == envelope(said(offer) | {"assertion": "2"})  # type: ignore[operator]
    assert said(await connection().createOffer()) is None


async def test_a_call() -> None:
    kept: list[tuple[str, str]] = []
    alice, bob = Provider(kept=kept), Provider("bob@EXAMPLE.org", kept=kept)
    a, b = caller(alice, target="bob@example.org"), callee(target=ALICE)
    b.setIdentityProvider(bob, origin="https://here")
    waiting = asyncio.ensure_future(b.peerIdentity)  # type: ignore[arg-type]
    await exchange(a, b)
    assert a.signalingState == b.signalingState == "stable"
    assert await waiting == await b.peerIdentity == RTCIdentityAssertion("example.org", ALICE)
    assert await a.peerIdentity == RTCIdentityAssertion("example.org", "bob@example.org")
    assert bob.origins == ["https://here"]
    assert [user for user, _ in kept] == [ALICE, "bob@EXAMPLE.org"]
    await exchange(b, a)  # later rounds bring new assertions of the same
    assert len(kept) == 4 and a.signalingState == "stable"


async def test_forged() -> None:
    kept: list[tuple[str, str]] = []
    offer = await caller(Provider(kept=kept)).createOffer()
    pc = callee(Provider(kept=[]))  # knows nothing of it
    await refused(pc, offer, "provider failed: list index out of range", "idp-execution-failure")
    await pc.setRemoteDescription(with_identity(offer, None))  # nobody asked for one
    assert pc.signalingState == "have-remote-offer"


class Late(Provider):
    async def validate(self, assertion: str, origin: str) -> Mapping[str, str]:
        raise IdentityError("the assertion ended yesterday", "idp-token-expired")


class Hangs(Provider):
    async def validate(self, assertion: str, origin: str) -> Mapping[str, str]:
        await asyncio.Event().wait()
        raise AssertionError


class Says(Provider):
    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer

    async def validate(self, assertion: str, origin: str) -> Any:
        return self.answer


async def test_expired() -> None:
    await refused(callee(Late()), await caller(Provider()).createOffer(), "ended yesterday", "idp-token-expired")


async def test_a_provider_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "PROVIDER_TIMEOUT_S", 0.01)
    await refused(callee(Hangs()), await caller(Provider()).createOffer(), "in time", "idp-timeout")


async def test_foreign() -> None:
    """A true assertion, taken from another's description."""
    provider = Provider()
    stolen = with_identity(await caller().createOffer(), envelope(said(await caller(provider).createOffer())))
    await refused(callee(provider), stolen, "for other certificates", "idp-token-invalid")
    # As little does one more fingerprint help, wherever it stands.
    offer = await caller(provider).createOffer()
    line = "a=fingerprint:sha-256 " + ":".join(["AB"] * 32) + "\r\n"
    for place in ("a=group", "a=setup"):
        more = RTCSessionDescription(offer.sdp.replace(place, line + place, 1), "offer")
        await refused(callee(provider), more, "for other certificates", "idp-token-invalid")


NO = [None, 7, {}, {"identity": ALICE}, {"contents": "{}"}]
NO += [{"identity": 7, "contents": "{}"}, {"identity": ALICE, "contents": {}}]


@pytest.mark.parametrize("answer", NO)
async def test_a_provider_that_answers_nonsense(answer: Any) -> None:
    offer = await caller(Provider()).createOffer()
    await refused(callee(Says(answer)), offer, "no identity and contents", "idp-bad-script-failure")


CONTENTS = ["", "x", "[]", "{}", '{"fingerprint": 7}', '{"fingerprint": [7]}', '{"fingerprint": [{"algorithm": "sha-256"}]}']
CONTENTS += ['{"fingerprint": [{"algorithm": "sha-256", "digest": "zz"}]}', '{"fingerprint": null}', "[" * 100000]


@pytest.mark.parametrize("contents", CONTENTS, ids=range(len(CONTENTS)))
async def test_contents_that_cannot_be_read(contents: str) -> None:
    offer = await caller(Provider()).createOffer()
    await refused(callee(Says({"identity": ALICE, "contents": contents})), offer, "contents cannot", "idp-token-invalid")


@pytest.mark.parametrize("contents", ['{"fingerprint": []}', '{"fingerprint": {}}'])
async def test_contents_that_say_nothing(contents: str) -> None:
    offer = await caller(Provider()).createOffer()
    await refused(callee(Says({"identity": ALICE, "contents": contents})), offer, "other certif", "idp-token-invalid")


@pytest.mark.parametrize("name", ["alice", "alice@example.com", "@example.org", "alice@sub.example.org", "example.org", ""])
async def test_names_that_are_not_the_providers(name: str) -> None:
    provider = Provider(name)
    await refused(callee(provider), await caller(provider).createOffer(), "nobody of example.org", "idp-token-invalid")


async def test_providers_that_are_not_trusted() -> None:
    class Other(Provider):
        protocol = "other"

    offer = await caller(Provider(domain="elsewhere.net")).createOffer()
    await refused(callee(Provider()), offer, "'elsewhere.net' .* is trusted", "idp-load-failure")
    other = Other()
    offer = await caller(other).createOffer()
    await refused(callee(Provider()), offer, "'other'", "idp-load-failure")
    pc = callee(Provider(), other)
    await pc.setRemoteDescription(offer)
    assert (await pc.peerIdentity).name == ALICE
    with pytest.raises(TypeError, match="domain"):
        pc.trustIdentityProvider(object())  # type: ignore[arg-type]


UNREADABLE: list[object] = [7, [], {}, {"idp": 7, "assertion": "0"}, {"idp": {}, "assertion": "0"}]
UNREADABLE += [{"idp": {"domain": "example.org"}}]
UNREADABLE += [{"idp": {"domain": "example.org"}, "assertion": 0}, {"idp": {"domain": 7}, "assertion": "0"}]
UNREADABLE += [{"idp": {"domain": "", "protocol": "default"}, "assertion": "0"}]


@pytest.mark.parametrize("value", UNREADABLE)
async def test_an_envelope_that_cannot_be_read(value: object) -> None:
    provider = Provider()
    offer = with_identity(await caller(provider).createOffer(), envelope(value))
    await refused(callee(provider), offer, "a=identity", "idp-token-invalid")


@pytest.mark.parametrize("raw", [b"x", b"[" * 6000, b"\xff\xfe", b"{}"])
async def test_an_envelope_that_is_no_json(raw: bytes) -> None:
    provider = Provider()
    offer = with_identity(await caller(provider).createOffer(), base64.b64encode(raw).decode())
    await refused(callee(provider), offer, "cannot be read", "idp-token-invalid")


async def test_descriptions_that_cannot_be_read() -> None:
    pc = callee(Provider(), target=ALICE)
    with pytest.raises(RTCError):
        await pc.setRemoteDescription(RTCSessionDescription("v=0\r\n", "offer"))
    with pytest.raises(RTCError, match="base64"):
        await pc.setRemoteDescription(with_identity(await caller(Provider()).createOffer(), "!"))
    assert pc.remoteDescription is None


async def test_who_is_wanted() -> None:
    provider = Provider()
    pc = callee(provider, target=ALICE)
    await refused(pc, await caller().createOffer(), f"nobody's identity, {ALICE} is wanted", "idp-token-invalid")
    with pytest.raises(IdentityError):
        await pc.peerIdentity
    await refused(callee(target=ALICE), await caller(provider).createOffer(), "is trusted", "idp-load-failure")
    pc = callee(provider, target="bob@example.org")
    with pytest.raises(IdentityError, match=f"the peer is {ALICE}, bob@example.org is wanted"):
        await pc.setRemoteDescription(await caller(provider).createOffer())
    assert pc.signalingState == "closed" and pc.remoteDescription is None
    with pytest.raises(IdentityError):
        await pc.peerIdentity
    for wrong in (7, ""):
        with pytest.raises(TypeError, match="peerIdentity"):
            connection(RTCConfiguration(peerIdentity=wrong))  # type: ignore[arg-type]


async def test_a_target_cannot_change() -> None:
    pc = callee(target=ALICE)
    pc.setConfiguration(RTCConfiguration())
    assert pc.getConfiguration().peerIdentity == ALICE
    with pytest.raises(InvalidModificationError, match="peerIdentity"):
        pc.setConfiguration(RTCConfiguration(peerIdentity="bob@example.org"))


async def test_the_first_identity_binds_those_after_it() -> None:
    provider = Provider()
    a, b = caller(provider), callee(provider)
    await exchange(a, b)
    assert (await b.peerIdentity).name == ALICE
    effects = list(b.driver.effects)  # type: ignore[attr-defined]
    with pytest.raises(IdentityError, match="nobody's identity"):
        await b.setRemoteDescription(with_identity(await a.createOffer(), None))
    assert b.signalingState == "stable" and b.driver.effects == effects  # type: ignore[attr-defined]
    a.setIdentityProvider(Provider("mallory@example.org", kept=provider.kept))
    with pytest.raises(IdentityError, match="the peer is mallory"):
        await b.setRemoteDescription(await a.createOffer())
    assert b.signalingState == "closed"


async def test_a_description_that_fails_otherwise_proves_nothing() -> None:
    provider = Provider()
    pc = callee(provider)
    offer = await caller(provider).createOffer()
    with pytest.raises(InvalidStateError):
        await pc.setRemoteDescription(RTCSessionDescription(offer.sdp, "answer"))
    assert pc.peerIdentity.assertion is None
    await pc.setRemoteDescription(with_identity(offer, None))
    await pc.setRemoteDescription(RTCSessionDescription("", "rollback"))


class Broken(Provider):
    async def generate(self, contents: str) -> Any:
        return self.user

    def now(self, contents: str) -> Any:
        raise LookupError("logged out")


async def test_no_offer_without_the_identity_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for answer, why in (("", "no assertion"), (7, "no assertion"), ("x" * 8192, "characters")):
        pc = caller(Broken(answer))  # type: ignore[arg-type]
        with pytest.raises(IdentityError, match=why):
            await pc.createOffer()
        with pytest.raises(IdentityError, match=why):
            await pc.setLocalDescription()
        assert pc.localDescription is None
    monkeypatch.setattr(Broken, "generate", Broken.now)
    pc = caller(Broken())
    with pytest.raises(IdentityError, match="logged out"):
        await pc.createOffer()


async def test_closing() -> None:
    pc = callee(Provider())
    waiting = asyncio.ensure_future(pc.peerIdentity)  # type: ignore[arg-type]
    gone = asyncio.ensure_future(pc.peerIdentity)  # type: ignore[arg-type]
    await asyncio.sleep(0)
    gone.cancel()
    await pc.close()
    with pytest.raises(InvalidStateError):
        await waiting
    for call in (lambda: pc.setIdentityProvider(Provider()), lambda: pc.trustIdentityProvider(Provider())):
        with pytest.raises(InvalidStateError):
            call()
    with pytest.raises(InvalidStateError):
        await pc.getIdentityAssertion()
    hangs = Hangs()
    pc = callee(hangs)
    task = asyncio.ensure_future(pc.setRemoteDescription(await caller(Provider()).createOffer()))
    await asyncio.sleep(0)
    await pc.close()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
