"""Bundling, ICE restarts, DTLS roles and candidates. After WPT's webrtc/RTCConfiguration-bundlePolicy,
RTCPeerConnection-restartIce, -addIceCandidate, -canTrickleIceCandidates, RTCIceTransport,
protocol/fingerprint-change-requires-ice-restart and protocol/candidate-exchange, in our words."""

from __future__ import annotations

import pytest

from rtcengine.peer.configuration import RTCBundlePolicy
from rtcengine.peer.effects import AddRemoteCandidate, CloseTransport, ConnectTransport, OpenTransport, RestartIce
from rtcengine.peer.errors import InvalidAccessError, InvalidStateError, OperationError
from rtcengine.peer.jsep import MAX_CANDIDATES, Jsep
from rtcengine.peer.jsep_apply import Outcome
from rtcengine.sdp import parse, parse_candidate
from rtcengine.types import Candidate, DtlsRole

from .jsep_kit import FakeTrack, answer, frozen, negotiate, offer, pair, side

KINDS = ["audio", "audio", "video", "video"]
HOST = "candidate:1 1 udp 2122260223 192.0.2.{} 50000 typ host"


def host(number: int) -> Candidate:
    return parse_candidate(HOST.format(number))


def four(policy: RTCBundlePolicy, seed: int = 1) -> Jsep:
    jsep = side(seed, bundle_policy=policy)
    for kind in KINDS:
        jsep.add_transceiver(kind)
    jsep.want_data()
    return jsep


@pytest.mark.parametrize(
    ("policy", "transports", "bundle_only"),
    [
        (RTCBundlePolicy.MAX_BUNDLE, 1, [False, True, True, True, True]),
        (RTCBundlePolicy.BALANCED, 3, [False, True, False, True, False]),
        (RTCBundlePolicy.MAX_COMPAT, 5, [False] * 5),
    ],
)
def test_bundle_policies_offer(policy: RTCBundlePolicy, transports: int, bundle_only: list[bool]) -> None:
    a = four(policy)
    out = a.set_local()
    media = a.state.pending_local.sdp.media  # type: ignore[union-attr]
    assert [s.bundle_only for s in media] == bundle_only and [s.port == 0 for s in media] == bundle_only
    assert len([e for e in out.effects if isinstance(e, OpenTransport)]) == transports


@pytest.mark.parametrize("policy", list(RTCBundlePolicy))
@pytest.mark.parametrize("other", list(RTCBundlePolicy))
def test_all_end_up_in_one_transport(policy: RTCBundlePolicy, other: RTCBundlePolicy) -> None:
    a, b = four(policy), side(2, bundle_policy=other)
    negotiate(a, b)
    assert len(a.plan.transports) == len(b.plan.transports) == 1
    assert {m.transport for m in a.plan.senders.values()} == set(a.plan.transports)


def unbundled(text: str) -> str:
    return "\r\n".join(line for line in text.split("\r\n") if not line.startswith("a=group"))


@pytest.mark.parametrize(
    ("policy", "accepted"),
    [
        (RTCBundlePolicy.MAX_BUNDLE, [True, False, False, False, False]),
        (RTCBundlePolicy.BALANCED, [True, False, True, False, True]),
        (RTCBundlePolicy.MAX_COMPAT, [True] * 5),
    ],
)
def test_bundle_policies_answer_a_peer_without_bundle(policy: RTCBundlePolicy, accepted: list[bool]) -> None:
    a, b = four(RTCBundlePolicy.MAX_COMPAT), side(2, bundle_policy=policy)
    b.set_remote("offer", unbundled(a.create_offer()))
    b.set_local()
    assert [s.port != 0 for s in b.state.current_local.sdp.media] == accepted  # type: ignore[union-attr]
    assert len(b.plan.transports) == sum(accepted)


def test_an_unbundled_answer_keeps_the_transports() -> None:
    a, b = four(RTCBundlePolicy.MAX_COMPAT), side(2, bundle_policy=RTCBundlePolicy.MAX_COMPAT)
    text = a.create_offer()
    a.set_local("offer", text)
    b.set_remote("offer", unbundled(text))
    out = answer(a, b)[1]
    assert len([e for e in out.effects if isinstance(e, ConnectTransport)]) == 5
    assert not any(isinstance(e, CloseTransport) for e in out.effects)


def test_bundle_only_cannot_be_answered_outside() -> None:
    a, b = four(RTCBundlePolicy.MAX_BUNDLE), side(2)
    offer(a, b)
    with pytest.raises(InvalidAccessError):
        a.set_remote("answer", unbundled(b.create_answer()))


def test_what_is_added_joins_the_bundle() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    negotiate(a, b)
    a.add_transceiver("video")
    out = a.set_local()
    assert not any(isinstance(e, OpenTransport) for e in out.effects)
    assert a.state.pending_local.sdp.media[1].bundle_only  # type: ignore[union-attr]


def test_the_transport_outlives_the_section_it_came_by() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    a.add_transceiver("video")
    negotiate(a, b)
    a.stop(a.transceivers[0])
    negotiate(a, b)
    assert list(a.plan.transports) == [1] and a.plan.senders["1"].transport == 1 == len(b.plan.transports)


# --- ICE


def ice(out: Outcome) -> list[type]:
    return [type(e) for e in out.effects if isinstance(e, OpenTransport | RestartIce | ConnectTransport | CloseTransport)]


def test_restarting_ice() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    negotiate(a, b)
    before = a.plan.transports[1]
    a.restart_ice()
    assert a.negotiation_needed
    out, theirs = offer(a, b)
    assert ice(out) == [RestartIce] and ice(theirs) == []
    mine, other = answer(a, b)
    assert ice(mine) == [RestartIce, ConnectTransport] and ice(other) == [ConnectTransport]
    assert a.plan.transports[1].ice_pwd != before.ice_pwd and not a.negotiation_needed


def test_the_answerer_restarts_with_the_offerer_only() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    negotiate(a, b)
    before = b.plan.transports[1].ice_ufrag
    negotiate(a, b)
    assert b.plan.transports[1].ice_ufrag == before
    a.create_offer(ice_restart=True)
    a.set_local("offer", "")
    b.set_remote("offer", a.local_text(a.state.local) or "")
    answer(a, b)
    assert b.plan.transports[1].ice_ufrag != before


def test_restarting_before_there_is_anything() -> None:
    a = side()
    a.restart_ice()
    assert not a.negotiation_needed


def test_a_restart_is_not_undone_by_the_peers_round() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    negotiate(a, b)
    before = a.plan.transports[1].ice_ufrag
    a.restart_ice()
    negotiate(b, a)  # our answer takes the new credentials already
    assert a.plan.transports[1].ice_ufrag != before and not a.negotiation_needed


def test_restarting_twice() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    negotiate(a, b)
    seen = {a.plan.transports[1].ice_ufrag}
    for _ in range(3):
        a.restart_ice()
        a.restart_ice()
        negotiate(a, b)
        seen.add(a.plan.transports[1].ice_ufrag)
    assert len(seen) == 4


def test_who_controls() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    negotiate(a, b)
    negotiate(b, a)
    assert a.plan.transports[1].controlling and not b.plan.transports[1].controlling


def test_a_lite_peer_is_controlled() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    b.set_remote("offer", a.create_offer().replace("t=0 0\r\n", "t=0 0\r\na=ice-lite\r\n"))
    b.set_local()
    assert b.plan.transports[1].controlling


# --- DTLS


def test_the_answerer_is_the_client() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    negotiate(a, b)
    assert (a.plan.transports[1].role, b.plan.transports[1].role) == (DtlsRole.SERVER, DtlsRole.CLIENT)


def test_roles_stay_when_the_other_offers() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    negotiate(a, b)
    negotiate(b, a)
    negotiate(a, b)
    assert (a.plan.transports[1].role, b.plan.transports[1].role) == (DtlsRole.SERVER, DtlsRole.CLIENT)


@pytest.mark.parametrize(("offered", "role"), [("active", DtlsRole.SERVER), ("passive", DtlsRole.CLIENT)])
def test_an_offer_may_decide(offered: str, role: DtlsRole) -> None:
    a, b = pair()
    a.add_transceiver("audio")
    b.set_remote("offer", a.create_offer().replace("actpass", offered))
    b.set_local()
    assert b.plan.transports[1].role is role


def test_the_role_does_not_change() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    negotiate(a, b)
    offer(a, b)
    text = b.create_answer()
    before = frozen(a)
    with pytest.raises(InvalidAccessError):
        a.set_remote("answer", text.replace("setup:active", "setup:passive"))
    assert frozen(a) == before


def test_another_fingerprint_needs_an_ice_restart() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    negotiate(a, b)
    text = a.create_offer()
    start = text.index("a=fingerprint:sha-256 ") + len("a=fingerprint:sha-256 ")
    other = text[:start] + ("00" if text[start : start + 2] != "00" else "11") + text[start + 2 :]
    with pytest.raises(InvalidAccessError):
        b.set_remote("offer", other)
    ufrag, pwd = a.plan.transports[1].ice_ufrag, a.plan.transports[1].ice_pwd
    b.set_remote("offer", other.replace(ufrag, "abcd").replace(pwd, "0123456789012345678901"))
    b.set_local()
    assert b.plan.transports[1].remote is not None and b.plan.transports[1].remote.ice_ufrag == "abcd"


def test_tls_id_is_answered_where_offered() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    b.set_remote("offer", a.create_offer() + "a=tls-id:abc3de65cddef001be82\r\n")
    assert parse(b.create_answer()).media[0].tls_id


# --- candidates


def test_candidates_of_a_description() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    a.set_local()
    assert a.on_local_candidate(1, host(1), a.plan.transports[1].ice_ufrag) == ("0", 0)
    assert a.on_local_candidate(1, None, a.plan.transports[1].ice_ufrag) == ("0", 0)
    text = a.local_text(a.state.local) or ""
    assert HOST.format(1) in text and "a=end-of-candidates" in text and "m=audio 50000 " in text
    b.set_remote("offer", text)
    out = b.set_local()
    added = [e for e in out.effects if isinstance(e, AddRemoteCandidate)]
    assert [e.candidate for e in added] == [host(1), None]


def test_candidates_of_another_generation_are_dropped() -> None:
    a = side()
    a.add_transceiver("audio")
    a.set_local()
    assert a.on_local_candidate(1, host(1), "other") is None
    assert a.on_local_candidate(7, host(1), a.plan.transports[1].ice_ufrag) is None


def test_later_offers_have_the_candidates() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    negotiate(a, b)
    a.on_local_candidate(1, host(1), a.plan.transports[1].ice_ufrag)
    assert HOST.format(1) in a.create_offer()


def connected() -> tuple[Jsep, Jsep]:
    a, b = pair()
    a.add_transceiver("audio")
    a.add_transceiver("video")
    negotiate(a, b)
    return a, b


@pytest.mark.parametrize("place", [{"mid": "0"}, {"index": 0}, {"mid": "1"}, {"index": 1}, {"mid": "0", "index": 7}])
def test_a_candidate_by_mid_or_place(place: dict[str, object]) -> None:
    a, _ = connected()
    assert a.add_remote_candidate(host(1), **place) == (AddRemoteCandidate(1, host(1)),)  # type: ignore[arg-type]
    assert HOST.format(1) in a.state.current_remote.written  # type: ignore[union-attr]
    assert a.add_remote_candidate(host(1), **place) == ()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ({}, TypeError),
        ({"mid": "7"}, OperationError),
        ({"mid": "7", "index": 0}, OperationError),
        ({"index": 2}, OperationError),
        ({"index": -1}, OperationError),
        ({"mid": "0", "ufrag": "unknown"}, OperationError),
    ],
)
def test_a_candidate_that_belongs_nowhere(place: dict[str, object], error: type[Exception]) -> None:
    a, _ = connected()
    before = frozen(a)
    with pytest.raises(error):
        a.add_remote_candidate(host(1), **place)  # type: ignore[arg-type]
    assert frozen(a) == before


def test_no_candidate_before_a_description() -> None:
    with pytest.raises(InvalidStateError):
        side().add_remote_candidate(host(1), mid="0")


def test_the_end_of_candidates() -> None:
    a, b = connected()
    ufrag = b.plan.transports[1].ice_ufrag
    assert a.add_remote_candidate(None, mid="0", ufrag=ufrag) == (AddRemoteCandidate(1, None),)
    assert a.state.current_remote.sdp.media[0].end_of_candidates  # type: ignore[union-attr]
    assert not a.state.current_remote.sdp.media[1].end_of_candidates  # type: ignore[union-attr]
    a.add_remote_candidate(None)
    assert a.state.current_remote.sdp.media[1].end_of_candidates  # type: ignore[union-attr]


def test_a_candidate_for_an_offer_waits_for_the_answer() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    offer(a, b)
    assert b.add_remote_candidate(host(1), mid="0") == ()
    assert AddRemoteCandidate(1, host(1)) in b.set_local().effects


def test_old_and_new_generation_during_a_restart() -> None:
    a, b = connected()
    old = a.plan.transports[1].ice_ufrag
    a.restart_ice()
    offer(a, b)
    new = a.plan.transports[1].ice_ufrag
    assert b.add_remote_candidate(host(1), mid="0", ufrag=old) == (AddRemoteCandidate(1, host(1)),)
    assert b.add_remote_candidate(host(2), mid="0", ufrag=new) == ()
    added = [e.candidate for e in b.set_local().effects if isinstance(e, AddRemoteCandidate)]
    assert added == [host(2)]


def test_trickled_candidates_survive_a_round() -> None:
    a, b = connected()
    a.add_remote_candidate(host(1), mid="0")
    offer(b, a)
    assert not [e for e in answer(b, a)[0].effects if isinstance(e, AddRemoteCandidate | ConnectTransport)]


@pytest.mark.slow
def test_too_many_candidates() -> None:
    a, _ = connected()
    for number in range(MAX_CANDIDATES):
        a.add_remote_candidate(parse_candidate(f"candidate:1 1 udp 1 192.0.2.1 {number + 1} typ host"), mid="0")
    with pytest.raises(OperationError):
        a.add_remote_candidate(host(1), mid="0")


@pytest.mark.parametrize(("line", "expected"), [("a=ice-options:trickle", True), ("a=ice-options:ice2", False), ("", False)])
def test_can_trickle(line: str, expected: bool) -> None:
    a, b = pair()
    assert b.can_trickle is None
    a.add_track(FakeTrack("audio", "t"))
    b.set_remote("offer", a.create_offer().replace("a=ice-options:trickle ice2", line or "a=x:y"))
    assert b.can_trickle is expected


def told(jsep: Jsep) -> list[str | None]:
    """User fragments of the sections that live."""
    assert jsep.state.local is not None
    return [section.ice_ufrag for section in jsep.state.local.sdp.media if not section.is_rejected]


@pytest.mark.parametrize("policy", list(RTCBundlePolicy))
def test_all_of_an_offer_tell_the_same(policy: RTCBundlePolicy) -> None:
    a, b = four(policy), side(2)
    offer(a, b)
    assert len(set(told(a))) == 1 and len({t.ice_pwd for t in a.plan.transports.values()}) == 1
    a.set_local("rollback")
    assert not a.plan.transports
    negotiate(a, b)
    assert len(set(told(a))) == len(set(told(b))) == 1


@pytest.mark.parametrize("other_offers", [False, True])
def test_a_section_that_joins_tells_what_the_others_do(other_offers: bool) -> None:
    """A browser that sees the credentials of one section change takes it for an ICE restart of a part."""
    a, b = pair()
    for kind in ("audio", "video"):
        a.add_transceiver(kind)
    negotiate(a, b)
    before = told(a)
    assert len(set(before)) == 1 and len(a.plan.transports) == 1
    (link,) = a.plan.transports.values()
    b.add_transceiver("video") if other_offers else a.add_transceiver("video")
    outcome = negotiate_by(b, a) if other_offers else negotiate_by(a, b)
    assert told(a) == [*before, before[0]]
    a.stop(a.transceivers[0])  # and so does the one that comes first then
    outcome += negotiate_by(a, b)
    assert told(a) == before
    assert not any(isinstance(e, RestartIce) for o in outcome for e in o.effects)
    (again,) = a.plan.transports.values()
    assert (again.id, again.ice_ufrag) == (link.id, link.ice_ufrag) and len(set(told(b))) == 1

    a.restart_ice()
    negotiate(a, b)
    assert len(set(told(a))) == 1 and not set(told(a)) & set(before)


def apart(a: Jsep, b: Jsep) -> list[Outcome]:
    """As negotiate_by, with a peer that does not bundle."""
    text = a.create_offer()
    return [a.set_local("offer", text), b.set_remote("offer", unbundled(text)), *answer(a, b)]


def test_transports_of_a_peer_that_does_not_bundle() -> None:
    """They keep their number and one name, also when they restart together, or the peer restarts one of them."""
    a, b = four(RTCBundlePolicy.MAX_COMPAT), side(2, bundle_policy=RTCBundlePolicy.MAX_COMPAT)
    apart(a, b)
    first = told(a)[0]
    assert not any(isinstance(e, RestartIce) for o in apart(a, b) for e in o.effects)
    assert set(told(a)) == {first} and len(set(told(b))) == 1
    a.restart_ice()
    offered, _, answered, _ = apart(a, b)
    assert len(a.plan.transports) == 5 and set(told(a)) != {first} and len(set(told(a))) == 1
    assert ice(offered) == [RestartIce] * 5 and ice(answered) == [RestartIce, ConnectTransport] * 5

    text = unbundled(b.create_offer())
    at = text.index("a=ice-ufrag")
    second = parse(text).media[0]
    assert second.ice_ufrag is not None and second.ice_pwd is not None
    a.set_remote("offer", text[:at] + text[at:].replace(second.ice_ufrag, "other", 1).replace(second.ice_pwd, 22 * "p", 1))
    assert ice(a.set_local()) == [RestartIce, ConnectTransport]
    assert len(set(told(a))) == 2
    a.set_local()  # an offer, which would bundle what differs
    assert len(set(told(a))) == 1


def negotiate_by(a: Jsep, b: Jsep) -> list[Outcome]:
    return [*offer(a, b), *answer(a, b)]
