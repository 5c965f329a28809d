"""Sound that is sent twice (RED, RFC 2198) as it is negotiated: offered behind Opus, sent where it stands before."""

from __future__ import annotations

import pytest

from rtcengine.peer.errors import InvalidModificationError
from rtcengine.peer.jsep import Jsep
from rtcengine.peer.state import Transceiver
from rtcengine.sdp import parse

from .jsep_kit import FakeTrack, negotiate, offer, pair, side


def audio(a: Jsep, *names: str) -> Transceiver:
    """A transceiver that prefers these."""
    t = a.add_transceiver("audio")
    codecs = {c.name: c for c in a.config.capabilities.of("audio").codecs}
    a.set_codec_preferences(t, [codecs[name] for name in names])
    return t


def test_red_is_offered_behind_opus_and_names_it() -> None:
    a = side()
    a.add_transceiver("audio")
    (section,) = parse(a.create_offer()).media
    assert section.formats == ("111", "63", "9", "0", "8", "110", "126")
    assert "a=rtpmap:63 red/48000/2\r\n" in a.create_offer() and "a=fmtp:63 111/111\r\n" in a.create_offer()


@pytest.mark.parametrize(
    ("names", "expected", "first"),
    [
        (["red", "opus"], ["red", "opus"], True),
        (["opus", "PCMU", "red"], ["opus", "PCMU", "red"], False),
        (["red", "PCMU", "opus"], ["red", "PCMU", "opus"], True),
        (["opus"], ["opus"], None),
        (["red", "PCMU"], ["PCMU"], None),  # of what it does not repeat nothing is said
    ],
)
def test_red_is_preferred_like_a_codec(names: list[str], expected: list[str], first: bool | None) -> None:
    """Where it stands before Opus it is what both send (as browsers do)."""
    a, b = pair()
    audio(a, *names)
    b.add_track(FakeTrack("audio", "t"), ["s"])
    negotiate(a, b)
    assert [c.name for c in b.state.current_remote.sdp.media[0].codecs] == expected  # type: ignore[union-attr]
    for one in (a, b):
        for plan in (one.plan.senders["0"], one.plan.receivers["0"]):
            assert [c.name for c in plan.codecs] == [name for name in expected if name != "red"]
            said = {c.name: (c.red, c.red_first) for c in plan.codecs}
            assert said.get("opus", (None, False)) == ((63, first) if first is not None else (None, False))
            assert said.get("PCMU", (None, False)) == (None, False)


def test_an_answer_may_prefer_red_or_leave_it_out() -> None:
    for names, expected in ((["red", "opus"], ("63", "111")), (["opus", "red"], ("111", "63")), (["opus"], ("111",))):
        a, b = pair()
        a.add_transceiver("audio")
        offer(a, b)
        t = b.add_track(FakeTrack("audio", "t"), ["s"])
        codecs = {c.name: c for c in b.config.capabilities.of("audio").codecs}
        b.set_codec_preferences(t, [codecs[name] for name in names])
        text = b.create_answer()
        assert parse(text).media[0].formats == expected
        b.set_local("answer", text)
        a.set_remote("answer", text)
        (comes,), (goes,) = a.plan.receivers["0"].codecs, a.plan.senders["0"].codecs
        assert comes.red == goes.red == (63 if "red" in names else None)
        assert goes.red_first == (names[0] == "red")


def test_red_alone_is_no_preference() -> None:
    a = side()
    with pytest.raises(InvalidModificationError, match="no codec with media"):
        audio(a, "red")


def test_red_under_other_numbers() -> None:
    a, b = pair()
    a.add_transceiver("audio")
    text = a.create_offer().replace("SAVPF 111 63 ", "SAVPF 120 100 ").replace(":111 ", ":120 ").replace(":63 ", ":100 ")
    b.set_remote("offer", text.replace("111/111", "120/120"))
    answered = b.create_answer()
    assert parse(answered).media[0].formats[:2] == ("120", "100") and "a=fmtp:100 120/120\r\n" in answered
    b.set_local("answer", answered)
    assert parse(b.create_offer()).media[0].formats[:2] == ("120", "100")  # and it stays
    assert "a=fmtp:100 120/120\r\n" in b.create_offer()


@pytest.mark.parametrize("fmtp", ["", "111/9", "9/9", "63/63", "x"])
def test_red_of_something_else_is_left_out(fmtp: str) -> None:
    a, b = pair()
    a.add_transceiver("audio")
    text = a.create_offer()
    assert "a=fmtp:63 111/111\r\n" in text
    b.set_remote("offer", text.replace("a=fmtp:63 111/111\r\n", f"a=fmtp:63 {fmtp}\r\n" if fmtp else ""))
    assert parse(b.create_answer()).media[0].formats == ("111", "9", "0", "8", "110", "126")
