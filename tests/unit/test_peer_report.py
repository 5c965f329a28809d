"""What a connection says of its own life: times, states and why it failed, in its log and to its program."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from rtcengine import AudioStreamTrack, Certificate, NetworkOptions, RTCIceCandidate, RTCPeerConnection, RTCSessionDescription
from rtcengine.peer.gather import RTCIceCandidateError
from rtcengine.peer.journal import MAX_MOMENTS, Journal
from rtcengine.peer.report import TransportReport, why_of
from rtcengine.stats import CandidateStats, PairStats
from rtcengine.types import Candidate
from tests.util import until

from .peer_kit import FakeDriver, connection, settle

HERE = "127.0.0.1"
TOLD = (Candidate("1", 1, "udp", 1, HERE, 9, "host"),)


def pair(local: str = "host", remote: str = "host", sent: int = 3, answers: int = 0, heard: int = 0) -> PairStats:
    ours, theirs = (CandidateStats(address=(HERE, 9), type=kind, priority=1) for kind in (local, remote))
    return PairStats(
        local=ours,
        remote=theirs,
        state="failed",
        selected=False,
        nominated=False,
        priority=1,
        requests_sent=sent,
        responses_received=answers,
        requests_received=heard,
        responses_sent=heard,
        consent_requests_sent=0,
        current_round_trip_time=None,
        total_round_trip_time=0.0,
        packets_received=0,
        bytes_received=0,
        packets_sent=0,
        bytes_sent=0,
    )


def report(ice: str = "failed", dtls: str = "new", **more: Any) -> TransportReport:
    return TransportReport(id=1, ice_state=ice, dtls_state=dtls, **({"local": TOLD, "remote": TOLD} | more))


REFUSED = RTCIceCandidateError("turn:192.0.2.1", 401, "TURN refused: 401 Unauthorized")
CASES = [
    (
        report(pairs=(pair(),) * 3, errors=(REFUSED, REFUSED)),
        "no pair worked: 3 host pairs without answer; turn:192.0.2.1 gave no candidate: TURN refused: 401 Unauthorized",
    ),
    (report(pairs=(pair(remote="srflx"),)), "no pair worked: 1 host-srflx pair without answer"),
    (report(pairs=(pair(heard=2),)), "no pair worked: 1 host pair by which the peer is heard and does not answer"),
    (report("checking", pairs=(pair(sent=0),)), "no pair works yet: 1 host pair not asked yet"),
    (report(pairs=(pair(answers=1),)), "the way that was used fell silent: 1 host pair answered once and no more"),
    (
        report("disconnected", pairs=(pair(answers=1), pair())),
        "the way that was used fell silent: 1 host pair answered once and no more; 1 host pair without answer",
    ),
    (report(remote=()), "no pair worked: the peer told no candidate"),
    (report(local=()), "no pair worked: there is no candidate of ours"),
    (report(), "no pair worked: none of our 1 and its 1 candidates go together"),
    (
        report(remote=(), refused=("127.0.0.1 is loopback",) * 2),
        "no pair worked: the peer told no candidate; not tried: 127.0.0.1 is loopback",
    ),
    (report("completed", "failed", ended="the DTLS handshake failed: x"), "the DTLS handshake failed: x"),
    (report("completed", "failed"), "DTLS failed"),
    (report("completed", "connecting"), "there is a way, and the DTLS handshake is not over"),
    (report("completed", "connected", errors=(REFUSED,)), ""),
    (
        report(local=(), errors=(RTCIceCandidateError("stun:192.0.2.1", 701, "no answer"),)),
        "no pair worked: there is no candidate of ours; stun:192.0.2.1 gave no candidate: no answer (701)",
    ),
    (report("new", local=()), "no pair works yet: there is no candidate of ours"),
    (report("new", remote=()), ""),
]


@pytest.mark.parametrize(("one", "why"), CASES)
def test_why(one: TransportReport, why: str) -> None:
    assert one.why == why_of([one]) == why


def test_why_of_several() -> None:
    good, bad = report("completed", "connected"), report(remote=())
    assert why_of([good, good]) == why_of([]) == ""
    assert why_of([good, bad]) == "transport 1: no pair worked: the peer told no candidate"


def test_the_oldest_moments_go() -> None:
    journal = Journal()
    for i in range(MAX_MOMENTS + 5):
        journal.note(f"moment {i}")
    assert [m.what for m in journal.moments] == [f"moment {i}" for i in range(5, MAX_MOMENTS + 5)]


def test_moments_stand_in_the_order_in_which_they_happened() -> None:
    journal = Journal()
    journal.note("told first")
    journal.note("happened first", at=0.0, transport=2)
    assert [m.what for m in journal.moments] == ["happened first", "told first"]
    assert str(journal.moments[0]).endswith("transport 2: happened first")


async def test_a_failure_has_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    """Also when the program closes the connection as soon as it hears of it."""
    caplog.set_level(logging.INFO, "rtcengine.peer")
    pc = connection()
    assert isinstance(pc.driver, FakeDriver)
    pc.driver.reports = (report(remote=()),)
    pc.on("connectionstatechange", lambda: pc.close() if pc.connectionState == "failed" else None)
    pc.addTransceiver("audio")
    await pc.setLocalDescription()
    [transport] = pc.jsep.state.transports
    pc.on_ice_state(transport, "failed")
    assert pc.connectionState == "closed"
    await settle()
    assert pc.failure == "no pair worked: the peer told no candidate"
    [warning] = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert warning.getMessage().startswith(f"{pc.id}: ") and warning.getMessage().endswith(f"failed: {pc.failure}")
    assert vars(warning)["connection"] == pc.id and pc.id in repr(pc)
    text = str(await pc.report())
    assert text.startswith(f"{pc.id} closed\n") and text.endswith(f"failed: {pc.failure}")


def test_each_connection_has_a_name_of_its_own() -> None:
    assert len({connection().id for _ in range(3)}) == 3


Two = tuple[RTCPeerConnection, RTCPeerConnection]


@asynccontextmanager
async def calling(network: NetworkOptions, *, blind: bool = False) -> AsyncIterator[Two]:
    """Two, of which the second has answered the first, without candidates to check when it is blind."""
    a, b = RTCPeerConnection(network=network), RTCPeerConnection(network=NetworkOptions(addresses=(HERE,)))
    try:
        a.addTrack(AudioStreamTrack())
        await a.setLocalDescription()
        await b.setRemoteDescription(without_candidates(a.localDescription) if blind else a.localDescription)  # type: ignore[arg-type]
        await b.setLocalDescription()
        yield a, b
    finally:
        await asyncio.gather(a.close(), b.close())


@contextmanager
def silent() -> Iterator[tuple[str, int]]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind((HERE, 0))
        yield one.getsockname()


def without_candidates(description: RTCSessionDescription | None) -> RTCSessionDescription:
    assert description is not None
    lines = [line for line in description.sdp.splitlines() if not line.startswith(("a=candidate", "a=end-of-candidates"))]
    return RTCSessionDescription("\r\n".join(lines) + "\r\n", description.type)


def host(address: tuple[str, int], foundation: str = "1") -> RTCIceCandidate:
    ip, port = address
    return RTCIceCandidate(1, foundation, ip, port, 2130706431, "udp", "host", sdpMLineIndex=0)


async def test_a_call_that_works() -> None:
    async with calling(NetworkOptions(addresses=(HERE,))) as (a, b):
        await a.setRemoteDescription(b.localDescription)  # type: ignore[arg-type]
        await until(lambda: all("first media" in [m.what for m in pc.timeline] for pc in (a, b)), what="media both ways")
        whats = [m.what for m in a.timeline]
        # Of what the engine's thread did the time is told; of states, when Python heard of them.
        order = ["gathering complete", "a check is answered", "DTLS is over", "first media"]
        assert [what for what in whats if what in order] == order and "ICE checking" in whats
        times = [m.at for m in a.timeline]
        assert times == sorted(times) and times[0] >= 0
        said = await a.report()
        assert (said.state, said.why, said.failure) == ("connected", "", "")
        [transport] = said.transports
        assert [pair.selected for pair in transport.pairs] == [True]


async def test_addresses_that_do_not_answer_and_addresses_that_are_not_tried(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "rtcengine.peer")
    network = NetworkOptions(addresses=(HERE,), deny=lambda ip: "beyond the pale" if ip == "127.9.9.9" else "")
    with silent() as one, silent() as other:
        async with calling(network, blind=True) as (a, b):
            await a.setRemoteDescription(without_candidates(b.localDescription))
            for i, address in enumerate((one, other, ("127.9.9.9", 9))):
                await a.addIceCandidate(host(address, str(i)))

            async def asked() -> bool:
                [transport] = (await a.report()).transports
                return len(transport.pairs) == 2 and all(pair.requests_sent for pair in transport.pairs)

            await until(asked, what="both have been asked")
            said = await a.report()
            assert said.why == "no pair works yet: 2 host pairs without answer; not tried: 127.9.9.9 is beyond the pale"
            assert said.why in str(said) and a.failure == ""
    assert f"{a.id}: " in caplog.text and "127.9.9.9 is beyond the pale" in caplog.text


@pytest.mark.long
async def test_a_failure_of_all_pairs_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with silent() as one:
        async with calling(NetworkOptions(addresses=(HERE,)), blind=True) as (a, b):
            await a.setRemoteDescription(without_candidates(b.localDescription))
            await a.addIceCandidate(host(one))
            await a.addIceCandidate(None)
            await until(lambda: a.failure != "", timeout=60, what="it gives up")
            assert a.failure == "no pair worked: 1 host pair without answer"
            assert f"failed: {a.failure}" in caplog.text


async def test_another_certificate_than_told(caplog: pytest.LogCaptureFixture) -> None:
    async with calling(NetworkOptions(addresses=(HERE,))) as (a, b):
        answer = b.localDescription
        assert answer is not None
        [true] = {line for line in answer.sdp.splitlines() if line.startswith("a=fingerprint:")}
        other = f"a=fingerprint:sha-256 {Certificate.generate().fingerprint()}"
        await a.setRemoteDescription(RTCSessionDescription(answer.sdp.replace(true, other), "answer"))
        await until(lambda: a.failure != "" and b.failure != "", what="both fail")
        assert a.failure == "the DTLS handshake failed: fingerprint mismatch"
        assert b.failure.startswith("the DTLS handshake failed: ")  # as the alert says it
        assert len([r for r in caplog.records if r.levelno == logging.WARNING]) == 2
        assert (await a.report()).why == a.failure
