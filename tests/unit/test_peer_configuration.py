"""RTCConfiguration. After WPT's webrtc/RTCConfiguration-iceServers, -bundlePolicy, -rtcpMuxPolicy,
-iceTransportPolicy, -iceCandidatePoolSize, -certificates and -validation, in our words."""

from __future__ import annotations

import pytest

from rtcengine.peer.certificate import RTCCertificate
from rtcengine.peer.configuration import MAX_SERVERS, RTCBundlePolicy, RTCConfiguration, RTCIceServer, RTCIceTransportPolicy
from rtcengine.peer.errors import InvalidAccessError, InvalidModificationError, RangeError, UrlSyntaxError

from .peer_kit import connection


def servers(*urls: object, **more: object) -> RTCConfiguration:
    return RTCConfiguration(iceServers=[RTCIceServer(url, **more) for url in urls])  # type: ignore[arg-type]


async def test_defaults() -> None:
    found = connection().getConfiguration()
    assert found.iceServers is None and found.bundlePolicy is RTCBundlePolicy.BALANCED
    assert found.iceTransportPolicy is RTCIceTransportPolicy.ALL and found.iceCandidatePoolSize == 0


GOOD = ["stun:example.org", "stuns:example.org:5349", "STUN:[2001:db8::1]:3478", "stun:192.0.2.1", ["stun:a", "stun:b"]]


@pytest.mark.parametrize("url", GOOD)
async def test_urls(url: str | list[str]) -> None:
    assert connection(servers(url)).getConfiguration().iceServers == [RTCIceServer(url)]


BAD = ["", "stun", "stun:", "http://example.org", "stun://example.org", "stun:a?transport=udp", "stun:a:0", "stun:a:99999", []]
BAD += ["turn:a?transport=sctp", "turn:a?x", "stun:a b", "relative-url"]


@pytest.mark.parametrize("url", BAD)
async def test_urls_that_cannot_be_read(url: str) -> None:
    with pytest.raises(UrlSyntaxError):
        connection(servers(url, username="u", credential="c"))


@pytest.mark.parametrize("more", [{}, {"username": "u"}, {"credential": "c"}, {"username": "u" * 510, "credential": "c"}])
@pytest.mark.parametrize("url", ["turn:a", "turns:a", "turn:a?transport=tcp"])
async def test_turn_needs_credentials(url: str, more: dict[str, str]) -> None:
    with pytest.raises(InvalidAccessError):
        connection(servers(url, **more))


async def test_turn() -> None:
    assert connection(servers("turn:a:3478?transport=udp", username="u", credential="c")).getConfiguration()


WRONG = [
    RTCConfiguration(iceServers="stun:a"),  # type: ignore[arg-type]
    RTCConfiguration(iceServers=["stun:a"]),  # type: ignore[list-item]
    RTCConfiguration(iceServers=[RTCIceServer(7)]),  # type: ignore[arg-type]
    RTCConfiguration(bundlePolicy="bogus"),  # type: ignore[arg-type]
    RTCConfiguration(rtcpMuxPolicy="negotiate"),  # type: ignore[arg-type]
    RTCConfiguration(iceTransportPolicy="none"),  # type: ignore[arg-type]
    RTCConfiguration(iceCandidatePoolSize=256),
    RTCConfiguration(iceCandidatePoolSize=-1),
    [],
    {"iceServer": []},
]


@pytest.mark.parametrize("wrong", WRONG, ids=range(len(WRONG)))
async def test_wrong_types(wrong: RTCConfiguration) -> None:
    with pytest.raises(TypeError):
        connection(wrong)


async def test_too_many_servers() -> None:
    with pytest.raises(RangeError):
        connection(servers(*["stun:a"] * (MAX_SERVERS + 1)))


@pytest.mark.parametrize("policy", list(RTCBundlePolicy))
async def test_policies_may_be_text(policy: RTCBundlePolicy) -> None:
    found = connection(RTCConfiguration(bundlePolicy=policy.value)).getConfiguration()  # type: ignore[arg-type]
    assert found.bundlePolicy is policy


async def test_what_may_change() -> None:
    pc = connection()
    pc.setConfiguration(servers("stun:a"))
    assert pc.getConfiguration().iceServers == [RTCIceServer("stun:a")]
    assert pc.driver.configuration.iceServers == [RTCIceServer("stun:a")]  # type: ignore[attr-defined]
    pc.setConfiguration(RTCConfiguration(iceTransportPolicy=RTCIceTransportPolicy.RELAY))
    assert pc.getConfiguration().iceTransportPolicy is RTCIceTransportPolicy.RELAY


async def test_what_may_not() -> None:
    certificate, other = (RTCCertificate.generateCertificate() for _ in range(2))
    pc = connection(RTCConfiguration(certificates=[certificate]))
    for wrong in (
        RTCConfiguration(bundlePolicy=RTCBundlePolicy.MAX_COMPAT),
        RTCConfiguration(certificates=[other]),
        RTCConfiguration(certificates=[certificate, certificate]),
    ):
        with pytest.raises(InvalidModificationError):
            pc.setConfiguration(wrong)
    pc.setConfiguration(RTCConfiguration(certificates=[certificate], iceCandidatePoolSize=2))
    pc.on("icecandidate", lambda _: None)
    await pc.setLocalDescription()
    with pytest.raises(InvalidModificationError):
        pc.setConfiguration(RTCConfiguration(iceCandidatePoolSize=3))
    pc.setConfiguration(RTCConfiguration(iceCandidatePoolSize=2))


async def test_a_configuration_is_a_copy() -> None:
    given = servers("stun:a")
    pc = connection(given)
    given.iceServers.clear()  # type: ignore[union-attr]
    pc.getConfiguration().iceServers.clear()  # type: ignore[union-attr]
    assert len(pc.getConfiguration().iceServers or ()) == 1


async def test_a_failed_change_changes_nothing() -> None:
    pc = connection(servers("stun:a"))
    with pytest.raises(UrlSyntaxError):
        pc.setConfiguration(servers("bogus:a"))
    assert pc.getConfiguration().iceServers == [RTCIceServer("stun:a")]
