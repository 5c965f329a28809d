"""What programs for aiortc find: transports as objects, modules by its names, signaling."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import re
from pathlib import Path
from typing import Any

import pytest

import rtcengine
from rtcengine import (
    NetworkOptions,
    RTCDtlsTransport,
    RTCIceTransport,
    RTCPeerConnection,
    RTCSessionDescription,
    SyntheticCamera,
    SyntheticMicrophone,
)
from rtcengine.codecs import vpx
from rtcengine.codecs.decode import make_decoder
from rtcengine.codecs.encode import make_encoder
from rtcengine.contrib.signaling import BYE, add_signaling_arguments, create_signaling, object_from_string, object_to_string
from rtcengine.sdp import candidate_from_sdp, candidate_to_sdp
from tests.unit.test_call import connected, gather_tracks, negotiate, take, two

# Of the modules that programs for aiortc are seen to import from.
DEEP = {
    "mediastreams": "MediaStreamError MediaStreamTrack AudioStreamTrack VideoStreamTrack VIDEO_CLOCK_RATE VIDEO_PTIME",
    "sdp": "candidate_from_sdp candidate_to_sdp",
    "rtcrtpsender": "RTCRtpSender",
    "rtcrtpreceiver": "RTCRtpReceiver RemoteStreamTrack RTCRtpSynchronizationSource",
    "rtcrtptransceiver": "RTCRtpTransceiver",
    "rtcrtpparameters": "RTCRtpCodecCapability RTCRtpCodecParameters RTCRtpSendParameters RTCRtpParameters",
    "rtcdtlstransport": "X509_DIGEST_ALGORITHMS RTCCertificate RTCDtlsTransport RTCDtlsParameters",
    "rtcicetransport": "RTCIceCandidate RTCIceTransport RTCIceGatherer RTCIceParameters",
    "rtcsctptransport": "USERDATA_MAX_LENGTH RTCSctpTransport RTCSctpCapabilities",
    "rtcdatachannel": "RTCDataChannel RTCDataChannelParameters",
    "rtcpeerconnection": "RTCPeerConnection",
    "rtcconfiguration": "RTCConfiguration RTCIceServer RTCBundlePolicy",
    "rtcsessiondescription": "RTCSessionDescription",
    "exceptions": "InternalError InvalidAccessError InvalidStateError OperationError",
    "codecs.vpx": "DEFAULT_BITRATE MIN_BITRATE MAX_BITRATE MAX_FRAME_RATE Vp8Encoder",
    "codecs.h264": "DEFAULT_BITRATE MIN_BITRATE MAX_BITRATE MAX_FRAME_RATE H264Encoder",
    "contrib.media": "MediaPlayer MediaRecorder MediaBlackhole MediaRelay",
    "contrib.signaling": "BYE CopyAndPasteSignaling TcpSocketSignaling UnixSocketSignaling create_signaling",
}


@pytest.mark.parametrize("module", DEEP)
def test_modules_by_aiortcs_names(module: str) -> None:
    found = importlib.import_module(f"rtcengine.{module}")
    for name in DEEP[module].split():
        value = getattr(found, name)
        assert getattr(rtcengine, name, value) is value


def test_every_public_name_of_aiortc_is_there() -> None:
    aiortc = importlib.import_module("aiortc")
    assert [name for name in aiortc.__all__ if not hasattr(rtcengine, name)] == []


@pytest.mark.parametrize("kind", ["audio", "video"])
def test_codecs_of_aiortc_are_there_and_coded(kind: str) -> None:
    aiortc = importlib.import_module("aiortc")

    def what(codec: Any) -> tuple[object, ...]:
        profile = str(codec.parameters.get("profile-level-id"))[:4], str(codec.parameters.get("packetization-mode"))
        return codec.mimeType.lower(), codec.clockRate, codec.channels or 1, *profile

    beside = {"rtx", "red", "telephone-event"}  # what they carry is coded by nobody
    ours = [codec for codec in rtcengine.RTCRtpSender.getCapabilities(kind).codecs if codec.name not in beside]
    theirs = [codec for codec in aiortc.RTCRtpSender.getCapabilities(kind).codecs if codec.name != "rtx"]
    assert {what(codec) for codec in theirs} <= {what(codec) for codec in ours}
    for codec in ours:
        make_decoder(codec.name)
        make_encoder(codec.name)


async def test_transports_are_objects_with_states() -> None:
    async with two() as (a, b):
        sender, other = a.addTrack(SyntheticMicrophone()), a.addTrack(SyntheticCamera(160, 120, 30))
        assert sender.transport is None
        await a.setLocalDescription()
        dtls = sender.transport
        assert isinstance(dtls, RTCDtlsTransport) and isinstance(dtls.transport, RTCIceTransport)
        ice = dtls.iceTransport
        assert (dtls.state, ice.state, ice.iceGatherer.state) == ("new", "new", "complete")
        assert ice.getRemoteCandidates() == dtls.getRemoteCertificates() == [] and ice.getSelectedCandidatePair() is None
        seen: list[str] = []
        for one in (dtls, ice):
            one.on("statechange", lambda one=one: seen.append(f"{type(one).__name__} {one.state}"))
        await b.setRemoteDescription(a.localDescription)  # type: ignore[arg-type]
        await b.setLocalDescription()
        await a.setRemoteDescription(b.localDescription)  # type: ignore[arg-type]
        await connected(a, b)
        assert other.transport is sender.transport is a.getReceivers()[0].transport is dtls  # of the bundle
        assert [s for s in seen if s.startswith("RTCDtls")] == ["RTCDtlsTransport connecting", "RTCDtlsTransport connected"]
        assert next(s for s in seen if s.startswith("RTCIce")) == "RTCIceTransport checking"
        theirs = b.getReceivers()[0].transport
        assert theirs is not None and {ice.role, theirs.transport.role} == {"controlling", "controlled"}
        pair, back = ice.getSelectedCandidatePair(), theirs.transport.getSelectedCandidatePair()
        assert pair is not None and back is not None
        assert (pair.local.ip, pair.local.port) == (back.remote.ip, back.remote.port)
        assert pair.local in ice.iceGatherer.getLocalCandidates() and pair.remote in ice.getRemoteCandidates()
        assert theirs.transport.getRemoteParameters() == ice.getLocalParameters()
        assert f"a=ice-pwd:{ice.getLocalParameters().password}\r\n" in a.localDescription.sdp  # type: ignore[union-attr]
        shown = [f.value for f in theirs.getLocalParameters().fingerprints]
        import hashlib

        assert hashlib.sha256(dtls.getRemoteCertificates()[0]).hexdigest() == shown[0].replace(":", "")
        await a.close()
        assert (dtls.state, ice.state, ice.iceGatherer.state) == ("closed", "closed", "closed")
        assert sender.transport is dtls


async def test_synchronization_sources() -> None:
    async with two() as (a, b):
        heard = gather_tracks(b)
        a.addTrack(SyntheticMicrophone())
        await negotiate(a, b)
        await connected(a, b)
        receiver = b.getReceivers()[0]
        assert receiver.getSynchronizationSources() == []
        await take(heard[0], 3)
        (source,) = receiver.getSynchronizationSources()
        assert f"a=ssrc:{source.source} " in a.localDescription.sdp  # type: ignore[union-attr]
        assert source.rtpTimestamp >= 0 and source.timestamp > 1.7e12


async def test_ports_and_addresses_of_choice(unused_udp_port: int) -> None:
    network = NetworkOptions(
        addresses=("127.0.0.1",), ports=range(unused_udp_port, unused_udp_port + 1), announce={"127.0.0.1": "192.0.2.7"}
    )
    pc = RTCPeerConnection(network=network)
    pc.addTransceiver("audio")
    await pc.setLocalDescription()
    assert re.findall(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ", pc.localDescription.sdp) == [
        ("192.0.2.7", str(unused_udp_port))
    ]
    await pc.close()


# Names that programs for aiortc are seen to reach for.
PRIVATE = (
    "receiver._enabled track._queue sender._next_encoded_frame _RTCRtpSender__encoder _RTCRtpReceiver__decoder_queue "
    "_RTCRtpReceiver__jitter_buffer _RTCRtpReceiver__stop_decoder _Vp8Encoder__target_bitrate _H264Encoder__target_bitrate "
    "H264Encoder._encode_frame rtcrtpsender.RTCEncodedFrame aioice.Connection aioice.ice.CandidatePair"
).split()


def test_private_names_have_their_public_ones_and_these_tests() -> None:
    tests = Path(__file__).parents[1]
    page = (tests.parent / "docs" / "aiortc.md").read_text()
    part = page.partition("\n## Private names that programs reach for\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in part.splitlines() if line.startswith("| `")]
    assert sorted(name for row in rows for name in re.findall(r"`(.+?)`", row[0])) == sorted(PRIVATE)
    for _, _, public, test in rows:
        assert "`" in public
        file, name = test.strip("` ").split(": ")
        assert re.search(rf"def {name}\(|RUN\({name}\);", (tests / file).read_text()), test


async def test_sctp_has_a_transport() -> None:
    pc = RTCPeerConnection(network=NetworkOptions(addresses=("127.0.0.1",)))
    pc.createDataChannel("chat")
    assert pc.sctp.transport is None
    await pc.setLocalDescription()
    assert pc.sctp.transport.state == "new" and pc.sctp.mid == "0"
    assert pc.sctp.getCapabilities().maxMessageSize == 262144
    await pc.close()
    assert pc.sctp.transport.state == "closed"


@pytest.mark.parametrize(
    "text",
    [
        "1 1 udp 2130706431 192.0.2.1 1234 typ host",
        "2 1 udp 1694498815 192.0.2.2 5678 typ srflx raddr 192.0.2.1 rport 1234",
        "3 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active",
    ],
)
def test_candidates_to_and_from_text(text: str) -> None:
    candidate = candidate_from_sdp(text)
    assert candidate_to_sdp(candidate) == text
    assert candidate_from_sdp(f"candidate:{text}") == candidate
    assert object_from_string(object_to_string(candidate)) == candidate
    with pytest.raises(ValueError):
        candidate_from_sdp("1 1 udp")


def test_constants_of_encoders_may_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    import av

    def bitrate() -> int:
        encoder = vpx.Vp8Encoder()
        encoder.encode(av.VideoFrame(640, 480, "yuv420p"))
        return encoder.bitrate

    assert bitrate() == vpx.DEFAULT_BITRATE
    monkeypatch.setattr(vpx, "DEFAULT_BITRATE", 4_000_000)
    assert bitrate() == vpx.MAX_BITRATE
    monkeypatch.setattr(vpx, "MAX_BITRATE", 5_000_000)
    assert bitrate() == 4_000_000


@pytest.mark.parametrize("kind", ["tcp-socket", "unix-socket"])
async def test_signaling_over_sockets(kind: str, tmp_path: Path, unused_tcp_port: int) -> None:
    parser = argparse.ArgumentParser()
    add_signaling_arguments(parser)
    where = ["--signaling-port", str(unused_tcp_port), "--signaling-path", str(tmp_path / "socket")]
    a, b = (create_signaling(parser.parse_args(["--signaling", kind, *where])) for _ in range(2))
    for side in (a, b):
        await side.connect()
    sending = asyncio.ensure_future(a.send(RTCSessionDescription("v=0", "offer")))

    async def first() -> object:
        while True:
            try:
                return await b.receive()
            except (ConnectionRefusedError, FileNotFoundError):
                await asyncio.sleep(0.01)

    assert await asyncio.wait_for(first(), 10) == RTCSessionDescription("v=0", "offer")
    await sending
    await b.send(RTCSessionDescription("v=1", "answer"))
    assert await a.receive() == RTCSessionDescription("v=1", "answer")
    await a.close()
    assert await b.receive() is BYE
    assert await b.receive() is None
    await b.close()
    assert not (tmp_path / "socket").exists()


def test_what_is_no_message() -> None:
    for text in ('{"type": "offer"}', '{"type": "dance"}', "[]", '{"type": "candidate", "candidate": "x"}'):
        with pytest.raises(ValueError):
            object_from_string(text)
    with pytest.raises(TypeError):
        object_to_string("hello")  # type: ignore[arg-type]
