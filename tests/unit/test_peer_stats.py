"""getStats of two connections of ours that send to each other: the W3C's names and units, and both sides say the same."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from rtcengine import (
    Certificate,
    Engine,
    InvalidAccessError,
    NetworkOptions,
    RTCPeerConnection,
    RTCStatsReport,
    SyntheticCamera,
    SyntheticMicrophone,
)
from rtcengine.peer.stats_types import RTCStats
from tests.unit.test_call import connected, gather_tracks, negotiate, take, two
from tests.util import until


def of(report: RTCStatsReport, type: str, **wanted: Any) -> list[RTCStats]:
    """Those of a type with these values."""
    return [s for s in report.values() if s.type == type and all(s.get(k) == v for k, v in wanted.items())]


def one(report: RTCStatsReport, type: str, **wanted: Any) -> RTCStats:
    found = of(report, type, **wanted)
    assert len(found) == 1, f"{len(found)} of {type} {wanted}"
    return found[0]


async def said(pc: RTCPeerConnection, *types: str) -> RTCStatsReport:
    """A report once it has, for both kinds, what only comes with RTCP."""

    async def there() -> RTCStatsReport | None:
        report = await pc.getStats()
        return report if all(len(of(report, type)) == 2 for type in types) else None

    return await until(there, what=f"{types} in a report")


async def test_both_sides_say_the_same() -> None:
    async with two() as (a, b):
        heard = gather_tracks(b)
        sound, picture = SyntheticMicrophone(), SyntheticCamera(320, 240, 30)
        senders = [a.addTransceiver(kind, direction="sendonly").sender for kind in ("audio", "video")]
        await negotiate(a, b)
        await connected(a, b)
        for sender, track in zip(senders, (sound, picture), strict=True):  # what comes before the other's keys would be lost
            await sender.replaceTrack(track)
        for track in heard:
            await take(track, 10)
        await said(b, "remote-outbound-rtp")

        async def timed() -> bool:  # the first report may not echo one of ours yet
            told = of(await a.getStats(), "remote-inbound-rtp")
            return len(told) == 2 and all("roundTripTime" in stats for stats in told)

        await until(timed, what="round trips")
        for sender in a.getSenders():
            sender.track.stop()

        async def arrived() -> tuple[RTCStatsReport, RTCStatsReport] | None:
            sent, got = await a.getStats(), await b.getStats()
            pairs = [(one(sent, "outbound-rtp", kind=k), one(got, "inbound-rtp", kind=k)) for k in ("audio", "video")]
            return (sent, got) if all(o.packetsSent == i.packetsReceived for o, i in pairs) else None

        sent, got = await until(arrived, what="all that was sent has come")
        for kind in ("audio", "video"):
            out, into = one(sent, "outbound-rtp", kind=kind), one(got, "inbound-rtp", kind=kind)
            assert (out.ssrc, out.bytesSent, out.mid) == (into.ssrc, into.bytesReceived, into.mid)
            assert into.packetsLost == 0 and 0 <= into.jitter < 1
            said_of_it, said_by_it = sent[out.remoteId], got[into.remoteId]
            assert (said_of_it.type, said_of_it.localId, said_of_it.ssrc) == ("remote-inbound-rtp", out.id, out.ssrc)
            assert (said_of_it.packetsLost, said_of_it.fractionLost) == (0, 0.0)
            assert 0 < said_of_it.roundTripTime < 1 and said_of_it.roundTripTimeMeasurements >= 1
            assert said_of_it.totalRoundTripTime >= said_of_it.roundTripTime / 2
            assert (said_by_it.type, said_by_it.localId) == ("remote-outbound-rtp", into.id)
            assert 0 < said_by_it.packetsSent <= out.packetsSent and said_by_it.reportsSent >= 1
            assert abs(said_by_it.remoteTimestamp - said_by_it.timestamp) < 60_000
            for report, stream in ((sent, out), (got, into)):
                codec = report[stream.codecId]
                assert codec.mimeType == ("audio/opus" if kind == "audio" else "video/VP8")
                assert report[stream.transportId].type == "transport" and codec.transportId == stream.transportId
        out, into = one(sent, "outbound-rtp", kind="video"), one(got, "inbound-rtp", kind="video")
        assert (out.frameWidth, out.frameHeight) == (into.frameWidth, into.frameHeight) == (320, 240)
        assert out.framesEncoded >= out.framesSent >= into.framesDecoded >= 10
        assert out.keyFramesEncoded >= into.keyFramesDecoded >= 1
        assert out.totalEncodeTime > 0 and into.totalDecodeTime > 0
        source = sent[out.mediaSourceId]
        assert (source.trackIdentifier, source.width, source.frames >= out.framesEncoded) == (picture.id, 320, True)
        assert into.trackIdentifier == next(t for t in heard if t.kind == "video").id
        assert one(got, "inbound-rtp", kind="audio").totalSamplesReceived >= 10 * 480


async def test_transport_certificates_and_pair() -> None:
    async with two() as (a, b):
        a.addTrack(SyntheticMicrophone())
        await negotiate(a, b)
        await connected(a, b)
        reports = [await said(pc, "certificate") for pc in (a, b)]
        sides = [one(report, "transport") for report in reports]
        assert sorted(t.iceRole for t in sides) == ["controlled", "controlling"]
        assert sorted(t.dtlsRole for t in sides) == ["client", "server"]
        for t, report, pc in zip(sides, reports, (a, b), strict=True):
            assert (t.dtlsState, t.tlsVersion, t.srtpCipher) == ("connected", "FEFD", "SRTP_AEAD_AES_128_GCM")
            assert t.iceState in ("connected", "completed")
            pair = report[t.selectedCandidatePairId]
            assert (pair.state, pair.transportId) == ("succeeded", t.id)
            assert f"a=ice-ufrag:{t.iceLocalUsernameFragment}\r\n" in pc.localDescription.sdp  # type: ignore[union-attr]
            own = report[t.localCertificateId]
            assert f"a=fingerprint:{own.fingerprintAlgorithm} {own.fingerprint}" in pc.localDescription.sdp  # type: ignore[union-attr]
        for i, j in ((0, 1), (1, 0)):
            mine, theirs = reports[i], reports[j]
            assert mine[sides[i].remoteCertificateId].base64Certificate == theirs[sides[j].localCertificateId].base64Certificate
            pair, other = mine[sides[i].selectedCandidatePairId], theirs[sides[j].selectedCandidatePairId]
            here, there = mine[pair.localCandidateId], theirs[other.remoteCandidateId]
            assert (here.type, there.type) == ("local-candidate", "remote-candidate")
            assert (here.address, here.port, here.protocol) == (there.address, there.port, there.protocol)


async def test_a_selector_gives_its_streams_and_what_they_refer_to() -> None:
    async with two() as (a, b):
        for pc in (a, b):
            pc.addTrack(SyntheticMicrophone())
            pc.addTrack(SyntheticCamera(160, 120, 30))
        await negotiate(a, b)
        await connected(a, b)
        await said(a, "inbound-rtp", "remote-inbound-rtp", "remote-outbound-rtp")
        shared = {"transport", "certificate", "candidate-pair", "local-candidate", "remote-candidate", "codec"}
        sender, receiver = a.getSenders()[0], a.getReceivers()[1]
        sent, got = await sender.getStats(), await receiver.getStats()
        assert {s.type for s in sent.values()} == shared | {"outbound-rtp", "remote-inbound-rtp", "media-source"}
        assert {s.type for s in got.values()} == shared | {"inbound-rtp", "remote-outbound-rtp"}
        assert one(sent, "outbound-rtp").kind == sender.kind and one(got, "inbound-rtp").kind == receiver.kind
        assert set(await a.getStats(sender.track)) == set(sent)
        assert set(await a.getStats(receiver.track)) == set(got)
        for report in (sent, got, await a.getStats()):
            for stats in report.values():
                assert report[stats.id] is stats
                for name, value in stats.items():
                    if name.endswith("Id") and name != "trackId":
                        assert value in report, f"{stats.id}.{name}"
        with pytest.raises(InvalidAccessError):
            await a.getStats(SyntheticMicrophone())


async def test_who_asks_again_at_once_gets_the_same_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rtcengine.peer.stats.SHARED_S", 3600.0)
    async with two() as (a, b):
        a.addTrack(SyntheticMicrophone())
        await negotiate(a, b)
        await connected(a, b)
        first, second = await a.getStats(), await a.getStats()
        assert first == second and first is not second and first["P"] is second["P"]
        del second["P"]
        assert "P" in await a.getStats()  # each has its own mapping
        a.getSenders()[0].replaceTrack(None)
        third = await a.getStats()
        assert third["P"] is not first["P"] and not of(third, "media-source")
        monkeypatch.setattr("rtcengine.peer.stats.SHARED_S", 0.0)
        assert (await a.getStats())["P"] is not third["P"]


async def test_before_and_after() -> None:
    a = RTCPeerConnection(network=NetworkOptions(addresses=("127.0.0.1",)))
    assert [s.type for s in (await a.getStats()).values()] == ["peer-connection"]
    a.addTrack(SyntheticMicrophone())
    await a.setLocalDescription()
    report = await a.getStats()
    transport = one(report, "transport")
    assert (transport.dtlsState, transport.iceState) == ("new", "new")
    for unknown in ("dtlsRole", "srtpCipher", "tlsVersion", "remoteCertificateId", "selectedCandidatePairId"):
        assert unknown not in transport and not hasattr(transport, unknown)
    assert of(report, "inbound-rtp") == of(report, "remote-candidate") == []
    await a.close()
    assert [s.type for s in (await a.getStats()).values()] == ["peer-connection"]


async def test_times_are_of_a_wall_clock_that_never_goes_back() -> None:
    async with two() as (a, b):
        a.addTrack(SyntheticMicrophone())
        await negotiate(a, b)
        await connected(a, b)
        seen = [(await a.getStats())["P"].timestamp for _ in range(50)]
        assert seen == sorted(seen) and abs(seen[-1] - time.time() * 1000) < 60_000
        report = await a.getStats()
        assert {s.timestamp for s in report.values() if not s.type.startswith("remote-")} <= {report["P"].timestamp}


async def test_others_on_the_engine_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Engine(Certificate.generate(), udp=()) as engine:
        network = NetworkOptions(addresses=("127.0.0.1",), engine=engine)
        peers = [RTCPeerConnection(network=network) for _ in range(6)]
        for pc in peers:
            pc.addTrack(SyntheticMicrophone())
            await pc.setLocalDescription()

        async def all_of_them() -> None:
            raise AssertionError("the rows of all transports were asked for")

        monkeypatch.setattr(engine, "stats", all_of_them)
        for pc in peers:
            assert len(of(await pc.getStats(), "transport")) == 1
        rows = await engine.transport_stats([pc.driver.links[1].transport for pc in peers[:2]])  # type: ignore[attr-defined]
        assert [r.transport["id"] for r in rows if r is not None] == [1, 2]
        await asyncio.gather(*(pc.close() for pc in peers))
