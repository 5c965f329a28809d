"""One side of a call by an RTCPeerConnection, ours or aiortc's, whose signalling is lines of JSON: for hosts behind NATs,
and for the two libraries with each other.

python -m tests.interop.nat_peer [--library rtcengine|aiortc] [--stun URL] [--turn URL --user NAME --password WORD]
    [--relay-only] [--trickle] [--deaf] [--announce ADDRESS] [--profile NAME]; lines and events as pipe_peer.py tells them.
    Each side sends a moving pattern. --trickle: candidates are signalled as they are found, --deaf: the program does not
    negotiate when that is needed, --announce: what the peer is told instead of our addresses (ours alone). --profile: the
    only SRTP profile that aiortc offers, by OpenSSL's name.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from abc import abstractmethod
from typing import Any

import aiortc
from aiortc import rtcdtlstransport
from aiortc.mediastreams import MediaStreamError as AiortcEnded

import rtcengine
from rtcengine.ice.addresses import local_addresses
from tests.interop.aiortc_peer import Pattern
from tests.interop.pipe_peer import PipePeer, run_peer

SIZE = (320, 180)


class ConnectionPeer(PipePeer):
    """Both libraries have one shape here; what differs is in the two classes below."""

    library: Any

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__()
        lib = self.library
        servers = [lib.RTCIceServer(urls=options.stun)] if options.stun else []
        if options.turn:
            servers.append(lib.RTCIceServer(urls=options.turn, username=options.user, credential=options.password))
        policy = lib.RTCIceTransportPolicy.RELAY if options.relay_only else lib.RTCIceTransportPolicy.ALL
        self.pc = self.connection(lib.RTCConfiguration(iceServers=servers, iceTransportPolicy=policy), options)
        self.pc.on("connectionstatechange", self._on_state)
        self.pc.on("track", lambda track: self.spawn(self._take(track)))
        self._shown: tuple[str, str] | None = None

    def connection(self, configuration: Any, options: argparse.Namespace) -> Any:
        return self.library.RTCPeerConnection(configuration)

    @abstractmethod
    def camera(self) -> Any: ...

    @abstractmethod
    def pair(self) -> tuple[str, str] | None:
        """Types of the candidates in use, ours first."""

    def srtp(self) -> str:
        """The profile in use."""
        return ""

    async def hear(self, candidate: dict[str, Any] | None) -> None:
        raise NotImplementedError

    async def start(self, offerer: bool) -> None:
        self.pc.addTrack(self.camera())
        self.spawn(self._watch())
        if offerer:
            await self.pc.setLocalDescription(await self.pc.createOffer())
            self._describe()

    async def on_signal(self, value: dict[str, Any]) -> None:
        if "candidate" in value:
            await self.hear(value["candidate"])
            return
        await self.pc.setRemoteDescription(self.library.RTCSessionDescription(**value))
        if value["type"] == "offer":
            await self.pc.setLocalDescription(await self.pc.createAnswer())
            self._describe()

    def _describe(self) -> None:
        described = self.pc.localDescription
        self.signal(sdp=described.sdp, type=described.type)

    def _on_state(self) -> None:
        self.report("state", value=self.pc.connectionState, ice=self.pc.iceConnectionState)

    async def _take(self, track: Any) -> None:
        while True:
            try:
                await track.recv()
            except (AiortcEnded, rtcengine.MediaStreamError):
                return
            self.frame(time.monotonic())

    async def _watch(self) -> None:
        """No event tells of another pair."""
        while True:
            pair = self.pair()
            if pair is not None and pair != self._shown:
                self._shown = pair
                self.report("pair", local=pair[0], remote=pair[1], srtp=self.srtp())
            await asyncio.sleep(0.05)

    async def close(self) -> None:
        await self.pc.close()


class OurPeer(ConnectionPeer):
    library = rtcengine

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        if not options.deaf:
            self.pc.on("negotiationneeded", self._renegotiate)
        if options.trickle:
            self.pc.on("icecandidate", self._tell)

    def connection(self, configuration: Any, options: argparse.Namespace) -> Any:
        announced = {str(a): options.announce for a in local_addresses()} if options.announce else {}
        return rtcengine.RTCPeerConnection(configuration, network=rtcengine.NetworkOptions(announce=announced))

    def _tell(self, candidate: rtcengine.RTCIceCandidate) -> None:
        """As browsers' JSON has it."""
        json = {"candidate": candidate.candidate, "sdpMid": candidate.sdpMid, "sdpMLineIndex": candidate.sdpMLineIndex}
        self.signal(candidate=json if candidate.ip else None)

    async def hear(self, candidate: dict[str, Any] | None) -> None:
        if candidate is None or not candidate["candidate"]:
            await self.pc.addIceCandidate(None)
        else:
            names = ("candidate", "sdpMid", "sdpMLineIndex")
            await self.pc.addIceCandidate(rtcengine.RTCIceCandidate.from_sdp(*(candidate.get(name) for name in names)))

    async def do_restart(self) -> None:
        """An ICE restart, which is W3C's way to mend a connection."""
        self.pc.restartIce()

    async def _renegotiate(self) -> None:
        if self.pc.remoteDescription is not None:  # the first offer is not sent before `start`
            await self.pc.setLocalDescription()
            self._describe()

    def camera(self) -> Any:
        return rtcengine.SyntheticCamera(*SIZE)

    def pair(self) -> tuple[str, str] | None:
        for link in self.pc.driver.links.values():
            if link.transport.state in ("connected", "stalled"):
                return link.transport.local_type, link.transport.remote_type
        return None

    def srtp(self) -> str:
        return "/".join(link.transport.srtp_profile for link in self.pc.driver.links.values())


class AiortcPeer(ConnectionPeer):
    library = aiortc

    def camera(self) -> Any:
        return Pattern(*SIZE)

    def pair(self) -> tuple[str, str] | None:
        if self.pc.connectionState != "connected":
            return None
        transport = self.pc.getTransceivers()[0].sender.transport
        pair = transport.transport._connection._nominated.get(1)
        return (pair.local_candidate.type, pair.remote_candidate.type) if pair is not None else None


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--library", choices=("rtcengine", "aiortc"), default="rtcengine")
    for name in ("stun", "turn", "user", "password", "profile", "announce"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--relay-only", action="store_true")
    parser.add_argument("--trickle", action="store_true")
    parser.add_argument("--deaf", action="store_true")
    options = parser.parse_args()
    if options.profile is not None:
        known = {p.openssl_profile.decode(): p for p in rtcdtlstransport.SRTP_PROFILES}
        rtcdtlstransport.SRTP_PROFILES[:] = [known[options.profile]]
    run_peer(lambda: (OurPeer if options.library == "rtcengine" else AiortcPeer)(options))
