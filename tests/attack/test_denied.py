"""Candidates that lead to ourselves, to the cloud's metadata, to the networks behind us, in every spelling (E1)."""

from __future__ import annotations

import contextlib
import socket

from rtcengine import NetworkOptions, RTCIceCandidate, RTCPeerConnection, RTCSessionDescription
from rtcengine.ice.deny import why_denied
from rtcengine.peer.errors import OperationError
from tests.unit.test_ice import CASES
from tests.util import until

AT_ONCE = 40  # below the cap of candidates


def without_candidates(description: RTCSessionDescription | None) -> RTCSessionDescription:
    assert description is not None
    lines = [line for line in description.sdp.splitlines() if not line.startswith(("a=candidate", "a=end-of-candidates"))]
    return RTCSessionDescription("\r\n".join(lines) + "\r\n", description.type)


async def call(told: list[str], port: int, network: NetworkOptions) -> RTCPeerConnection:
    """One that a peer, which knows nothing of it, tells these addresses: half in its description, half one by one."""
    a, b = RTCPeerConnection(network=network), RTCPeerConnection(network=network)
    try:
        a.addTransceiver("audio")
        await a.setLocalDescription()
        await b.setRemoteDescription(without_candidates(a.localDescription))
        await b.setLocalDescription()
        answer = without_candidates(b.localDescription)
        half = len(told) // 2
        candidates = [RTCIceCandidate(1, str(i), ip, port, 2130706431, "udp", "host") for i, ip in enumerate(told)]
        said = "".join(f"a={one.candidate}\r\n" for one in candidates[:half])
        await a.setRemoteDescription(RTCSessionDescription(answer.sdp + said, "answer"))
        for one in candidates[half:]:
            one.sdpMLineIndex = 0
            with contextlib.suppress(OperationError):  # what is no address by any form
                await a.addIceCandidate(one)
        return a
    finally:
        await b.close()


async def test_e1_addresses_of_our_own() -> None:
    """Checks leave for none of them; a connection that denies nothing shows that they would."""
    here = ("127.0.0.1", "::1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as four, socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as six:
        four.bind((here[0], 0))
        port = four.getsockname()[1]
        six.bind((here[1], port))
        for one in (four, six):
            one.setblocking(False)
        spellings = [text for text, _ in CASES]
        assert len(spellings) >= 40
        for at in range(0, len(spellings), AT_ONCE):
            chunk = spellings[at : at + AT_ONCE]
            pc = await call(chunk, port, NetworkOptions(addresses=here, deny=why_denied))
            try:
                [report] = (await pc.report()).transports
                assert report.pairs == () and report.refused
                assert len(report.refused) == len([one for one in report.remote if one.ip is not None])
            finally:
                await pc.close()
        pc = await call(["::ffff:127.0.0.1", "::1"], port, NetworkOptions(addresses=here))
        try:
            [ufrag] = {line.partition(":")[2] for line in pc.localDescription.sdp.splitlines() if "a=ice-ufrag" in line}  # type: ignore[union-attr]
            heard: dict[socket.socket, list[bytes]] = {four: [], six: []}

            def both() -> bool:
                for one, found in heard.items():
                    with contextlib.suppress(BlockingIOError):
                        while True:
                            found.append(one.recv(2000))
                return all(heard.values())

            await until(both, what="the control's checks")
            assert all(ufrag.encode() in check for found in heard.values() for check in found)
        finally:
            await pc.close()
