"""aiortc as a relay of one stream to N viewers, as cheap as it goes: MediaRelay over av.Packets, so nothing is decoded or
encoded, and the stream comes in as plain datagrams, so no SRTP is opened. A process of bench/relay.py.

    python aiortc_relay.py VIEWERS FINGERPRINT    answers on stdin's lines with CPU time and packets sent
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from fractions import Fraction
from typing import Any

import aioice.ice
import av
from aiortc import MediaStreamTrack, RTCCertificate, RTCDtlsTransport, RTCIceGatherer, RTCIceTransport, RTCRtpSender
from aiortc.contrib.media import MediaRelay
from aiortc.rtcdtlstransport import RTCDtlsFingerprint, RTCDtlsParameters
from aiortc.rtcicetransport import RTCIceParameters
from aiortc.rtcrtpparameters import RTCRtpCodecParameters, RTCRtpSendParameters

RTP_HEADER = 12
DESCRIPTOR = 1  # of VP8, in front of each payload; aiortc writes its own


class Stream(MediaStreamTrack):
    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self.queue: asyncio.Queue[bytes] = asyncio.Queue()
        self.count = 0

    async def recv(self) -> av.Packet:
        packet = av.Packet((await self.queue.get())[RTP_HEADER + DESCRIPTOR :])
        packet.pts = self.count * 3000
        packet.time_base = Fraction(1, 90000)
        self.count += 1
        return packet


class Inlet(asyncio.DatagramProtocol):
    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.stream.queue.put_nowait(data)


async def viewer(who: int, certificate: RTCCertificate) -> tuple[RTCIceTransport, RTCDtlsTransport, int]:
    gatherer = RTCIceGatherer(iceServers=[])
    gatherer._connection._local_username = f"engine{who}"
    gatherer._connection._local_password = "password-of-the-engine-side"
    await gatherer.gather()
    ice = RTCIceTransport(gatherer)
    ice._connection.ice_controlling = False
    dtls = RTCDtlsTransport(ice, [certificate])
    dtls._set_role("server")
    return ice, dtls, gatherer.getLocalCandidates()[0].port


async def serve(who: int, ice: RTCIceTransport, dtls: RTCDtlsTransport, fingerprint: str, track: MediaStreamTrack) -> None:
    await ice.start(RTCIceParameters(usernameFragment=f"load{who}", password="password-of-the-load-side"))
    await dtls.start(RTCDtlsParameters([RTCDtlsFingerprint("sha-256", fingerprint)]))
    sender = RTCRtpSender(track, dtls)
    codec = RTCRtpCodecParameters(mimeType="video/VP8", clockRate=90000, payloadType=96)
    await sender.send(RTCRtpSendParameters(codecs=[codec]))


async def main(count: int, fingerprint: str) -> None:
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    certificate = RTCCertificate.generateCertificate()
    loop = asyncio.get_running_loop()
    stream, relay = Stream(), MediaRelay()
    inlet, _ = await loop.create_datagram_endpoint(lambda: Inlet(stream), local_addr=("127.0.0.1", 0))
    made = [await viewer(who, certificate) for who in range(1, count + 1)]
    sums = {f.algorithm: f.value for f in certificate.getFingerprints()}
    ports = [port for _, _, port in made]
    publisher = inlet.get_extra_info("sockname")[1]
    print(json.dumps({"publisher": publisher, "ports": ports, "fingerprint": sums["sha-256"]}), flush=True)
    serving = [
        asyncio.ensure_future(serve(who, ice, dtls, fingerprint, relay.subscribe(stream, buffered=True)))
        for who, (ice, dtls, _) in enumerate(made, 1)
    ]
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.readline():
        for task in serving:
            if task.done():
                task.result()
        sent = sum(dtls._get_stats()[dtls._stats_id].packetsSent for _, dtls, _ in made)
        print(json.dumps({"cpu_ns": time.process_time_ns(), "sent": sent}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
