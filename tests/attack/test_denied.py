"""Candidates that lead to ourselves, to the cloud's metadata, to the networks behind us, in every spelling (E1): by our sockets
and by TURN servers; and servers that send us there."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import uuid
from collections.abc import Callable

import pytest

from rtcengine import (
    NetworkOptions,
    RTCConfiguration,
    RTCIceCandidate,
    RTCIceTransportPolicy,
    RTCPeerConnection,
    RTCSessionDescription,
)
from rtcengine.ice.deny import why_denied
from rtcengine.peer import link
from rtcengine.peer.errors import OperationError
from rtcengine.peer.gather import MAX_ALTERNATES, RTCIceCandidateError
from tests.attack.turn_kit import TurnServer, turn_server
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


RELAY_ONLY = RTCIceTransportPolicy.RELAY
OPEN = "203.0.113.5"


async def by_relay(server: TurnServer, deny: Callable[[str], str] | None, told: list[str]) -> list[str]:
    """Whom the server is asked about, once it is asked about the last and least of the candidates that the peer told."""
    network = NetworkOptions(addresses=("127.0.0.1",), deny=deny)
    a = RTCPeerConnection(RTCConfiguration([server.server], RELAY_ONLY), network=network)
    b = RTCPeerConnection(network=NetworkOptions(addresses=("127.0.0.1",)))
    try:
        a.addTransceiver("audio")
        await a.setLocalDescription()
        assert a.localDescription is not None and "192.0.2.200 40000 typ relay" in a.localDescription.sdp
        await b.setRemoteDescription(a.localDescription)
        await b.setLocalDescription()
        await a.setRemoteDescription(without_candidates(b.localDescription))
        for i, ip in enumerate([*told, OPEN]):
            one = RTCIceCandidate(1, str(i), ip, 5000 + i, 2130706431 - i, "udp", "host", sdpMLineIndex=0)
            with contextlib.suppress(OperationError):  # what is no address by any form
                await a.addIceCandidate(one)
        await until(lambda: server.peers.count(OPEN) > 2, what="it is asked about the one that is open")
        return server.peers
    finally:
        await asyncio.gather(a.close(), b.close())


@pytest.mark.parametrize("at", range(0, len(CASES), AT_ONCE))
async def test_e1_peers_of_a_turn_server(at: int) -> None:
    """No permission, channel or indication there is for an address that is denied: it may be near to what we cannot reach."""
    async with turn_server() as server:
        told = [text for text, _ in CASES[at : at + AT_ONCE]]
        assert set(await by_relay(server, why_denied, told)) == {OPEN}


async def test_e1_a_name_of_a_denied_address(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(name: str) -> str:
        return "10.0.0.1"

    monkeypatch.setattr(link, "resolve", resolve)
    async with turn_server() as server:
        assert set(await by_relay(server, why_denied, [f"{uuid.uuid4()}.local"])) == {OPEN}
    async with turn_server() as server:
        assert set(await by_relay(server, None, [f"{uuid.uuid4()}.local"])) == {OPEN, "10.0.0.1"}


async def test_peers_of_a_turn_server_would_be_asked_for() -> None:
    """Who denies nothing asks for all of them."""
    told = ["10.0.0.1", "169.254.169.254", "127.0.0.1"]
    async with turn_server() as server:
        assert set(await by_relay(server, None, told)) == {OPEN, *told}


async def gathered(first: TurnServer, deny: Callable[[str], str] | None) -> tuple[str, list[RTCIceCandidateError]]:
    pc = RTCPeerConnection(
        RTCConfiguration([first.server], RELAY_ONLY), network=NetworkOptions(addresses=("127.0.0.1",), deny=deny)
    )
    errors: list[RTCIceCandidateError] = []
    pc.on("icecandidateerror", errors.append)
    try:
        pc.addTransceiver("audio")
        await pc.setLocalDescription()
        await until(lambda: pc.iceGatheringState == "complete", what="gathering ends")
        return pc.localDescription.sdp, errors  # type: ignore[union-attr]
    finally:
        await pc.close()


async def test_e1_an_alternate_server() -> None:
    """A TURN server sends us on to another; where that is denied nothing goes there, and the program is told."""
    async with turn_server("127.0.0.2") as second, turn_server(alternate=second.address) as first:
        sdp, [error] = await gathered(first, why_denied)
        assert first.allocations == 1 and second.allocations == 0 and "a=candidate" not in sdp
        assert error.errorCode == 300 and "127.0.0.2, which it names instead, is loopback" in error.errorText
        sdp, errors = await gathered(first, None)
        assert second.allocations == 2 and "typ relay" in sdp and errors == []  # the second time with credentials


async def test_e1_alternate_servers_in_a_circle() -> None:
    async with turn_server("127.0.0.2") as second, turn_server(alternate=second.address) as first:
        second.alternate = first.address
        sdp, [error] = await gathered(first, None)
        assert (first.allocations, second.allocations) == (1, 1) and "a=candidate" not in sdp
        assert error.errorCode == 300 and "one too many" in error.errorText


async def test_e1_alternate_servers_without_end() -> None:
    async with contextlib.AsyncExitStack() as opened:
        chain: list[TurnServer] = []
        for i in range(8):
            alternate = chain[-1].address if chain else ("127.0.0.1", 9)
            chain.append(await opened.enter_async_context(turn_server(f"127.0.0.{i + 2}", alternate)))
        _, [error] = await gathered(chain[-1], None)
        assert [one.allocations for one in reversed(chain)] == [1] * (1 + MAX_ALTERNATES) + [0] * (7 - MAX_ALTERNATES)
        assert error.errorCode == 300 and "one too many" in error.errorText
