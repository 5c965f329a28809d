"""Rollback. After WPT's webrtc/RTCPeerConnection-setLocalDescription-rollback, -setRemoteDescription-rollback and
-rollback-receptive, in our words."""

from __future__ import annotations

import pytest

from rtcengine.peer.effects import CloseTransport, Receive, StopReceiving
from rtcengine.peer.errors import InvalidStateError
from rtcengine.types import Direction

from .jsep_kit import FakeTrack, answer, negotiate, offer, pair, side


def test_a_local_offer_is_taken_back() -> None:
    a = side()
    a.add_transceiver("audio")
    a.set_local()
    out = a.set_local("rollback")
    assert out.signaling_changed and a.signaling_state == "stable"
    assert a.state.pending_local is None and a.transceivers[0].mid is None
    assert a.plan.transports == {} and any(isinstance(e, CloseTransport) for e in out.effects)


def test_a_remote_offer_is_taken_back() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    offer(a, b)
    out = b.set_remote("rollback", "")
    assert out.signaling_changed and b.state.pending_remote is None and b.transceivers == ()


def test_the_text_of_a_rollback_is_not_read() -> None:
    a, b = pair()
    offer(a, b)
    b.set_remote("rollback", "!<Invalid SDP Content>;")
    assert b.signaling_state == "stable"


@pytest.mark.parametrize("call", ["set_local", "set_remote"])
def test_nothing_to_take_back(call: str) -> None:
    a, b = pair()
    a.add_transceiver("audio")
    negotiate(a, b)
    for jsep in (a, b):
        with pytest.raises(InvalidStateError):
            getattr(jsep, call)("rollback", "")


def test_a_track_keeps_what_a_remote_offer_made() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    offer(a, b)
    b.add_track(FakeTrack("audio", "t"))
    assert len(b.transceivers) == 1
    out = b.set_remote("rollback", "")
    assert len(b.transceivers) == 1 and b.transceivers[0].mid is None and out.stopped == []
    offer(a, b)
    assert len(b.transceivers) == 1 and b.transceivers[0].mid == "0"


def test_a_touched_transceiver_goes_all_the_same() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    offer(a, b)
    touched = b.transceivers[0]
    b.set_direction(touched, Direction.INACTIVE)
    out = b.set_remote("rollback", "")
    assert b.transceivers == () and touched.stopped and out.stopped == [touched]


def test_directions_set_meanwhile_stay() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    negotiate(a, b)
    a.set_local()
    a.set_direction(a.transceivers[0], Direction.SENDONLY)
    a.set_local("rollback")
    assert a.transceivers[0].direction is Direction.SENDONLY and a.transceivers[0].mid == "0"


def test_what_was_added_meanwhile_stays() -> None:
    a = side()
    a.add_transceiver("audio")
    a.set_local()
    a.add_transceiver("video")
    a.want_data()
    a.set_local("rollback")
    assert [t.kind for t in a.transceivers] == ["audio", "video"] and a.state.data_wanted


def test_an_offer_made_before_is_still_good() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    b.add_transceiver("video")
    text = b.create_offer()
    offer(a, b)
    b.set_remote("rollback", "")
    b.set_local("offer", text)
    a.set_local("rollback")
    a.set_remote("offer", text)
    answer(b, a)
    assert [t.kind for t in a.transceivers] == ["audio", "video"]
    assert [t.mid for t in b.transceivers] == ["0"]


def test_also_when_sections_would_lie_otherwise() -> None:
    a, b = pair()
    a.add_transceiver("video")
    a.add_transceiver("audio")
    b.add_track(FakeTrack("audio", "t"))
    text = b.create_offer()
    offer(a, b)
    assert [t.index for t in b.transceivers] == [1, 0]
    b.set_remote("rollback", "")
    b.set_local("offer", text)
    assert [(t.kind, t.mid, t.index) for t in b.transceivers] == [("audio", "0", 0)]


def test_a_remote_offer_rolls_a_local_one_back() -> None:
    a, b = pair()
    a.add_track(FakeTrack("audio", "a"))
    b.add_track(FakeTrack("audio", "b"))
    a.set_local()
    out = offer(b, a)[1]
    assert a.signaling_state == "have-remote-offer" and out.signaling_changed
    assert a.state.pending_local is None and [t.mid for t in a.transceivers] == ["0"]
    answer(b, a)
    assert a.transceivers[0].current is Direction.SENDRECV and len(b.transceivers) == 1
    assert not a.negotiation_needed


def test_a_remote_offer_that_fails_rolls_nothing_back() -> None:
    a = side()
    a.add_transceiver("audio")
    a.set_local()
    with pytest.raises(ValueError):
        a.set_remote("offer", "no description")
    assert a.signaling_state == "have-local-offer" and a.transceivers[0].mid == "0"


def test_receiving_goes_back_to_what_was_agreed() -> None:
    a, b = pair()
    a.add_transceiver("audio", direction=Direction.INACTIVE)
    negotiate(a, b)
    assert not a.transceivers[0].receptive
    a.set_direction(a.transceivers[0], Direction.RECVONLY)
    assert any(isinstance(e, Receive) for e in a.set_local().effects) and a.transceivers[0].receptive
    out = a.set_local("rollback")
    assert not a.transceivers[0].receptive and out.effects == (StopReceiving("0"),)


def test_remote_streams_go_back() -> None:
    a, b = pair()
    a.add_track(FakeTrack("audio", "t"), ["old"])
    negotiate(a, b)
    a.set_streams(a.transceivers[0], ["new"])
    out = offer(a, b)[1]
    assert [s for s, _ in out.added] == ["new"] and [s for s, _ in out.removed] == ["old"]
    out = b.set_remote("rollback", "")
    assert [s for s, _ in out.added] == ["old"] and [s for s, _ in out.removed] == ["new"]


def test_a_rolled_back_track_is_muted() -> None:
    a, b = pair()
    a.add_track(FakeTrack("audio", "t"), ["s"])
    offer(a, b)
    transceiver = b.transceivers[0]
    out = b.set_remote("rollback", "")
    assert out.muted == [transceiver] and out.removed == [("s", transceiver)]


def test_negotiation_is_needed_again() -> None:
    a = side()
    a.add_transceiver("audio")
    a.set_local()
    a.set_local("rollback")
    assert a.negotiation_needed


def test_rolled_back_data() -> None:
    a = side()
    a.want_data()
    a.set_local()
    a.set_local("rollback")
    assert a.state.data_mid is None and a.plan.data is None and a.negotiation_needed


def test_a_rolled_back_ice_restart_is_still_wanted() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    negotiate(a, b)
    before = a.plan.transports[1]
    a.restart_ice()
    a.set_local()
    assert a.plan.transports[1].ice_ufrag != before.ice_ufrag
    a.set_local("rollback")
    assert a.plan.transports[1].ice_ufrag == before.ice_ufrag and a.negotiation_needed


def test_an_offer_that_replaces_another_takes_back_what_only_that_one_had() -> None:
    a, b = pair()
    c = side(3)
    a.add_transceiver("audio")
    offer(a, b)
    first = b.transceivers[0]
    c.add_transceiver("video")
    out = offer(c, b)[1]
    assert first.stopped and out.stopped == [first] and [t.kind for t in b.transceivers] == ["video"]
