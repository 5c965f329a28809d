"""WHIP (RFC 9725): sends tracks to an address."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..media.stream import MediaStream
from ..media.transform import Transform, check_codec, is_opaque
from ..peer.capabilities import DEFAULT
from ..peer.connection import RTCPeerConnection
from ..peer.parameters import RTCRtpEncodingParameters
from ..peer.transceiver import RTCRtpTransceiver
from .client import Client

LAYERS = ("h", "m", "l")
"""The names of a picture's sizes, each half as wide and high as the one before."""
LEAST_BITRATE = 100_000
"""What a smaller size is left of the largest one's bits per second."""


class WhipClient(Client):
    """Publishes::

    async with WhipClient("https://example.net/live/whip", token="...") as client:
        await client.publish(camera, microphone)
        await client.closed()
    """

    _tracks: tuple[Any, ...] = ()
    _codecs: tuple[str, ...] = ()
    _max_bitrate: int | None = None
    _layers = 1
    _transform: Transform | None = None

    async def publish(
        self,
        *tracks: Any,
        codecs: Sequence[str] = (),
        max_bitrate: int | None = None,
        layers: int = 1,
        transform: Transform | None = None,
    ) -> None:
        """Connects and sends `tracks`, tracks or streams of them. `codecs`: the only ones to offer, by name, the best first;
        `max_bitrate`: of each picture, in bits per second. `layers`: how many sizes of each picture are offered (RFC 8853), up
        to three, named "h", "m" and "l"; a server that takes no simulcast gets the largest. `transform`: what encoded
        frames of all tracks go through before they are sent (`RTCRtpSender.transform`); behind one that encrypts, video is
        offered as VP8. Raises WhipError; ValueError for a codec that is not known, or that cannot be encrypted."""
        each = [t for given in tracks for t in (given.getTracks() if isinstance(given, MediaStream) else [given])]
        if not each:
            raise ValueError("there is nothing to publish")
        if not 1 <= layers <= len(LAYERS):
            raise ValueError(f"layers is {layers}, not 1 to {len(LAYERS)}")
        self._tracks, self._codecs, self._max_bitrate, self._layers = tuple(each), tuple(codecs), max_bitrate, layers
        for codec in codecs:
            if not any(_is(c, codec) for kind in ("audio", "video") for c in DEFAULT.of(kind).codecs):
                raise ValueError(f"{codec!r} is none of the codecs that can be sent")
            check_codec(transform, codec)
        self._transform = transform
        if is_opaque(transform) and not any(_is(c, codec) for codec in codecs for c in DEFAULT.of("video").codecs):
            self._codecs = (*codecs, "VP8")
        await self._begin()

    def replace_track(self, kind: str, track: Any) -> None:
        """Sends another track of "audio" or "video" in place of the first one of the kind, without a new session."""
        place = next((i for i, t in enumerate(self._tracks) if t.kind == kind), None)
        if place is None or track.kind != kind:
            raise ValueError(f"no {kind} is published" if place is None else f"the track's kind is {track.kind}")
        self._tracks = (*self._tracks[:place], track, *self._tracks[place + 1 :])
        if self.pc is not None:
            next(s for s in self.pc.getSenders() if s.kind == kind).replaceTrack(track)

    def _prepare(self, pc: RTCPeerConnection) -> None:
        stream = MediaStream(self._tracks)
        for track in self._tracks:
            encodings = self._encodings() if track.kind == "video" else [RTCRtpEncodingParameters()]
            transceiver = pc.addTransceiver(track, "sendonly", streams=[stream], sendEncodings=encodings)
            self._prefer(transceiver)
            transceiver.sender.transform = self._transform

    def _encodings(self) -> list[RTCRtpEncodingParameters]:
        most = self._max_bitrate
        if self._layers == 1:
            return [RTCRtpEncodingParameters(maxBitrate=most)]
        return [
            RTCRtpEncodingParameters(
                rid=rid,
                scaleResolutionDownBy=float(2**i),
                maxBitrate=max(min(most, LEAST_BITRATE), most // 4**i) if most is not None else None,
            )
            for i, rid in enumerate(LAYERS[: self._layers])
        ]

    def _prefer(self, transceiver: RTCRtpTransceiver) -> None:
        known = DEFAULT.of(transceiver.kind).codecs
        wanted = [c for name in self._codecs for c in known if _is(c, name)]
        if wanted:
            transceiver.setCodecPreferences([*wanted, *(c for c in known if _is(c, "rtx"))])


def _is(codec: Any, name: str) -> bool:
    return bool(codec.name.lower() == name.lower())
