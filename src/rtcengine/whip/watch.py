"""WHEP (draft-ietf-wish-whep): receives from an address."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..media.receive import RemoteTrack
from ..media.stream import MediaStream
from ..media.transform import Transform
from ..peer.configuration import RTCConfiguration
from ..peer.connection import RTCPeerConnection
from ..peer.engine_driver import EngineDriver
from ..peer.network import NetworkOptions
from .client import Client


class LastingTrack(RemoteTrack):
    """Outlives the connection that it comes by: it is muted until the next one."""

    def lost(self) -> None:
        self.detach()


class _Driver(EngineDriver):
    """Gives receivers the tracks that there are already."""

    def __init__(
        self,
        peer: RTCPeerConnection,
        configuration: RTCConfiguration,
        network: NetworkOptions | None,
        tracks: dict[str, LastingTrack],
    ) -> None:
        super().__init__(peer, configuration, network)
        self._lasting = tracks

    def remote_track(self, kind: str, id: str) -> Any:
        return self._lasting[kind] if kind in self._lasting else super().remote_track(kind, id)


class WhepClient(Client):
    """Watches::

    async with WhepClient("https://example.net/live/whep") as client:
        stream = await client.watch()
        async for frame in stream.getVideoTracks()[0].frames(): ...

    The tracks last: who reads them waits while the client comes back, and they end with it.
    """

    _tracks: dict[str, LastingTrack]

    async def watch(self, *, audio: bool = True, video: bool = True, transform: Transform | None = None) -> MediaStream:
        """Connects, and gives what comes. `transform`: what encoded frames go through before anything reads them
        (`RemoteTrack.transform`). Raises WhipError."""
        kinds = [kind for kind, wanted in (("audio", audio), ("video", video)) if wanted]
        if not kinds:
            raise ValueError("there is nothing to watch")
        self._tracks = {kind: LastingTrack(kind) for kind in kinds}
        for track in self._tracks.values():
            track.transform = transform
        await self._begin()
        return MediaStream(self._tracks.values())

    def _make(self, configuration: RTCConfiguration) -> RTCPeerConnection:
        return RTCPeerConnection(configuration, driver=partial(_Driver, network=self._network, tracks=self._tracks))

    def _prepare(self, pc: RTCPeerConnection) -> None:
        for kind in self._tracks:
            pc.addTransceiver(kind, "recvonly")

    def _finish(self, error: Any) -> None:
        super()._finish(error)
        for track in getattr(self, "_tracks", {}).values():
            track.stop()
