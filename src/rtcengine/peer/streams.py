"""Streams of a section on the engine: what comes goes to a track, a track's frames go out."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..codecs.bounds import Bounds
from ..codecs.decode import DecodeCounts
from ..codecs.registry import encodes
from ..codecs.sound import USUAL_MS
from ..config import CODECS, PayloadType, RecvConfig, SendConfig, TonePayload, feedback
from ..engine import Batch, Engine, Receiver, Sender
from ..media.limits import MAINTAIN_BOTH, Limits
from ..media.receive import RemoteTrack
from ..media.send import SendCounts, SendPump
from ..media.transform import Transform, check_codec
from ..sdp import h264
from ..sdp.description import fmtp_parameters
from .effects import CodecUse, Encoding, MediaPlan
from .link import Link

if TYPE_CHECKING:
    from .transceiver import RTCRtpReceiver, RTCRtpSender

_KNOWN = {name.lower() for name in CODECS}


def known(codecs: tuple[CodecUse, ...]) -> list[CodecUse]:
    """Those that the engine can take apart."""
    return [codec for codec in codecs if codec.name.lower() in _KNOWN]


def recv_config(media: MediaPlan) -> RecvConfig | None:
    """None when no codec is left."""
    codecs = known(media.codecs)
    if not codecs:
        return None
    main, declared = codecs[0], media.sources[0] if len(media.sources) == 1 else None
    return RecvConfig(
        video=media.kind == "video",
        codec=main.name,
        pt=main.payload_type,
        rtx_pt=main.rtx_payload_type,
        clock_rate=main.clock_rate,
        mid=media.mid,
        ssrc=declared.ssrc if declared is not None else 0,
        rtx_ssrc=(declared.rtx_ssrc or 0) if declared is not None else 0,
        **feedback(main.feedback),
        others=_others((*codecs[1:], *known(media.offered))),
        tones=_tones(media.tones),
        red_pt=next((c.red for c in codecs if c.red is not None), None),
    )


# Of all connections to one kind of peer these are the same: they share them.
@functools.lru_cache(maxsize=64)
def _others(codecs: tuple[CodecUse, ...]) -> tuple[PayloadType, ...]:
    return tuple(
        PayloadType(codec=c.name, pt=c.payload_type, rtx_pt=c.rtx_payload_type, clock_rate=c.clock_rate) for c in codecs[:15]
    )


@functools.lru_cache(maxsize=64)
def _tones(uses: tuple[CodecUse, ...]) -> tuple[TonePayload, ...]:
    return tuple(TonePayload(use.payload_type, use.clock_rate) for use in uses[:4])


@functools.lru_cache(maxsize=64)
def _uris(extensions: tuple[tuple[str, int], ...]) -> frozenset[str]:
    return frozenset(uri for uri, _ in extensions)


def sendable(media: MediaPlan) -> CodecUse | None:
    """The first codec that there is an encoder for. H.264 in packetization-mode 0 (RFC 6184 §6.2), of many small units, when
    there is nothing else."""
    usable = [c for c in known(media.codecs) if encodes(c.name)]
    return next((c for c in usable if not _single_units(c)), usable[0] if usable else None)


def _single_units(codec: CodecUse) -> bool:
    return codec.name.lower() == "h264" and fmtp_parameters(codec.fmtp).get("packetization-mode", "0") == "0"


def send_config(media: MediaPlan, codec: CodecUse, encoding: Encoding) -> SendConfig:
    return SendConfig(
        video=media.kind == "video",
        codec=codec.name,
        pt=codec.payload_type,
        rtx_pt=codec.rtx_payload_type,
        clock_rate=codec.clock_rate,
        ssrc=encoding.ssrc,
        rtx_ssrc=encoding.rtx_ssrc if codec.rtx_payload_type is not None else 0,
        mid=media.mid,
        rid=encoding.rid or "",
        extensions=_uris(media.extensions),
        nack="nack" in codec.feedback,
        tones=tones_for(media, codec),
        single_units=_single_units(codec),
        red_pt=codec.red if codec.red_first else None,
        red_levels=encoding.redundancy or 0,
    )


def tones_for(media: MediaPlan, codec: CodecUse) -> TonePayload | None:
    """The payload type of telephone events beside this codec: of its clock (RFC 7160 §4.1), else whichever there is, as
    Firefox has it for Opus."""
    found = _tones(media.tones)
    if not found:
        return None
    return next((one for one in found if one.rate == codec.clock_rate), found[0])


OPUS_MS, OTHER_MS = (10, 20, 40, 60), (10, 20, 30, 40, 50, 60)


def packet_ms(media: MediaPlan, encoding: Encoding, codec: CodecUse) -> int:
    """How much sound goes into a packet: what the program wishes, else what the peer does (a=ptime, or as a parameter of
    Opus), as near as can be, within minptime and maxptime (RFC 7587 §6.1)."""
    said = fmtp_parameters(codec.fmtp)
    opus = codec.name.lower() == "opus"
    wanted = encoding.ptime_ms or media.ptime_ms or (_ms(said, "ptime") if opus else None) or USUAL_MS
    most = media.max_ptime_ms or (_ms(said, "maxptime") if opus else None) or OTHER_MS[-1]
    least = (_ms(said, "minptime") if opus else None) or 0
    sizes = OPUS_MS if opus else OTHER_MS
    allowed = [ms for ms in sizes if ms <= most] or [sizes[0]]
    allowed = [ms for ms in allowed if ms >= least] or [allowed[-1]]
    return min(allowed, key=lambda ms: (abs(ms - wanted), ms))


def _ms(said: dict[str, str], name: str) -> int | None:
    text = said.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 6 else None


def limits_of(media: MediaPlan, encoding: Encoding, codec: CodecUse) -> Limits:
    """Of one encoding. The section's bandwidth is for all of them: each has a part of it by the area of its pictures."""
    bounds = [encoding.max_bitrate_bps] if encoding.max_bitrate_bps is not None else []
    if media.bandwidth_bps is not None:
        areas = [(one.scale_down_by or 1.0) ** -2 for one in media.encodings if one.active or one is encoding]
        bounds.append(int(media.bandwidth_bps * (encoding.scale_down_by or 1.0) ** -2 / sum(areas)))
    return Limits(
        active=encoding.active,
        max_bitrate=max(min(bounds), 1) if bounds else None,
        max_framerate=encoding.max_framerate,
        scale_down_by=encoding.scale_down_by or 1.0,
        temporal_layers=encoding.temporal_layers or 1,
        packet_ms=packet_ms(media, encoding, codec) if media.kind == "audio" else USUAL_MS,
        # Layers are steps already, of which the receiver chooses.
        preference=media.degradation or (MAINTAIN_BOTH if len(media.encodings) > 1 else None),
        bounds=bounds_of(codec),
    )


@functools.lru_cache(maxsize=64)
def bounds_of(codec: CodecUse) -> Bounds | None:
    """What the peer says that it can decode: by its level of H.264, by max-fs and max-fr of VP8 and VP9 (RFC 7741 §6.1)."""
    said = fmtp_parameters(codec.fmtp)
    match codec.name.lower():
        case "h264":
            level = h264.receivable(said)
            return Bounds(level.picture_blocks, level.second_blocks) if level is not None else None
        case "vp8" | "vp9":
            most = Bounds(_above_0(said, "max-fs"), None, _above_0(said, "max-fr"))
            return most if most != Bounds() else None
    return None


def _above_0(said: dict[str, str], name: str) -> int | None:
    text = said.get(name, "")
    return int(text) or None if text.isdecimal() and len(text) < 10 else None


class Feed:
    """A track, and the engine receiver that it reads."""

    __slots__ = ("_attached", "track")

    def __init__(self, track: RemoteTrack) -> None:
        self.track = track
        self._attached: Receiver | None = None

    def follow(self, receiver: Receiver | None, counts: DecodeCounts | None = None) -> None:
        """It reads from this one from now on; what is decoded is counted in `counts`."""
        if self._attached is receiver:
            return
        self.forget()
        self._attached = receiver
        if receiver is not None:
            if counts is not None:
                self.track.counts = counts
            self.track.attach(receiver)

    def forget(self) -> None:
        if self._attached is not None:
            self._attached = None
            self.track.detach()


class Stream:
    """One stream of what an RTCRtpReceiver gets: its engine receiver, and of a simulcast's layer, whose `rid` is not "", a
    track of its own."""

    __slots__ = ("counts", "feed", "receiver", "rid")

    def __init__(self, rid: str, track: RemoteTrack | None) -> None:
        self.rid = rid
        self.receiver: Receiver | None = None
        self.feed = Feed(track) if track is not None else None
        self.counts = DecodeCounts() if rid else None

    def apply(self, batch: Batch, config: RecvConfig | None, link: Link) -> None:
        had = self.receiver
        if had is not None and (config is None or had.transport is not link.transport):
            batch.end(had)
            had = self.receiver = None
        if config is None or link.transport.state == "closed":
            return
        if had is None:
            self.receiver = batch.receive(link.transport, config)
        elif had.config != config:
            batch.reconfigure(had, config)

    def follow(self) -> None:
        if self.feed is not None:
            self.feed.follow(self.receiver, self.counts)

    def end(self, batch: Batch) -> None:
        if self.feed is not None:
            self.feed.forget()
        if self.receiver is not None and self.receiver.transport.state != "closed":
            batch.end(self.receiver)
        self.receiver = None


class Incoming:
    """What an RTCRtpReceiver gets, in one stream or in the layers of a simulcast (RFC 8853), on the link of its section. Its
    track reads the one stream, or the layer that is chosen."""

    def __init__(self, engine: Engine, owner: RTCRtpReceiver) -> None:
        self.owner = owner
        self.plan: MediaPlan | None = None
        self.streams: tuple[Stream, ...] = ()
        self._engine = engine
        self._feed = Feed(owner.track)

    @property
    def chosen(self) -> Stream | None:
        """What the receiver's track reads."""
        return next((one for one in self.streams if one.rid == self.owner.layer), None)

    @property
    def receiver(self) -> Receiver | None:
        chosen = self.chosen
        return chosen.receiver if chosen is not None else None

    def apply(self, batch: Batch, media: MediaPlan, link: Link) -> None:
        self.plan = media
        config, rids = recv_config(media), media.rids or ("",)
        if tuple([one.rid for one in self.streams]) != rids:
            tracks = self.owner.set_layers(media.rids)
            had = {one.rid: one for one in self.streams}
            self.streams = tuple([had.pop(rid) if rid in had else Stream(rid, tracks.get(rid)) for rid in rids])
            for gone in had.values():
                gone.end(batch)
        for one in self.streams:
            if one.rid and config is not None:
                config = replace(config, rid=one.rid, ssrc=0, rtx_ssrc=0)
            one.apply(batch, config, link)

    def follow(self) -> None:
        """After the batch has gone, or another layer was chosen: tracks read from what there is now."""
        for one in self.streams:
            one.follow()
        if (chosen := self.chosen) is not None:
            self._feed.follow(chosen.receiver, chosen.counts)

    def end(self, batch: Batch) -> None:
        self.forget()
        for one in self.streams:
            one.end(batch)

    def forget(self) -> None:
        self._feed.forget()
        for one in self.streams:
            if one.feed is not None:
                one.feed.forget()


class Layer:
    """One encoding of what an RTCRtpSender sends: its engine sender, and what encodes for it."""

    __slots__ = ("_pump", "_pumped", "counts", "encoding", "sender")

    def __init__(self, encoding: Encoding) -> None:
        self.encoding = encoding
        self.sender: Sender | None = None
        self.counts = SendCounts()
        self._pump: SendPump | None = None
        self._pumped: tuple[Any, ...] | None = None

    def apply(self, batch: Batch, config: SendConfig, link: Link) -> None:
        had = self.sender
        if had is None:
            self.sender = batch.send(link.transport, config)
        elif had.config != config:
            batch.reconfigure(had, config)

    def follow(self, track: Any, codec: CodecUse, limits: Limits, transform: Transform | None) -> None:
        """After the batch has gone: the track is pumped into what there is now."""
        if self.sender is None:
            return
        wanted = (self.sender, codec.name.lower(), codec.fmtp)
        if self._pumped != wanted:
            self.close()
            fmtp = fmtp_parameters(codec.fmtp)
            if _single_units(codec):
                fmtp = {**fmtp, "packetization-mode": "0"}  # which it is when nothing is said
            self._pump = SendPump(self.sender, codec.name, codec.clock_rate, fmtp, counts=self.counts)
            self._pumped = wanted
            if transform is not None:
                self._pump.set_transform(transform)
        assert self._pump is not None
        self._pump.set_track(track)
        self._pump.set_limits(limits)

    def set_track(self, track: Any) -> None:
        if self._pump is not None:
            self._pump.set_track(track)

    def set_transform(self, transform: Transform | None) -> None:
        if self._pump is not None:
            self._pump.set_transform(transform)

    def end(self, batch: Batch) -> None:
        self.close()
        if self.sender is not None and self.sender.transport.state != "closed":
            batch.end(self.sender)
        self.sender = None

    def close(self) -> None:
        """Nothing is sent any more."""
        if self._pump is not None:
            self._pump.close()
        self._pump = self._pumped = None


class Outgoing:
    """What an RTCRtpSender sends, in one encoding or several (RFC 8853). Their engine senders live as long as its section, or
    as the encoding is agreed: numbers go on (RFC 3550 §5.1)."""

    def __init__(self, owner: RTCRtpSender) -> None:
        self.owner = owner
        self.plan: MediaPlan | None = None
        self.layers: tuple[Layer, ...] = ()
        self._codec: CodecUse | None = None
        self._paused = False

    def apply(self, batch: Batch, media: MediaPlan, link: Link) -> None:
        self.plan = media
        self._paused = False
        self._codec = codec = sendable(media)
        had = {layer.encoding.ssrc: layer for layer in self.layers}
        self.layers = tuple([had[e.ssrc] if e.ssrc in had else Layer(e) for e in media.encodings])
        for layer in had.values():
            if layer not in self.layers:
                layer.end(batch)
        for layer, encoding in zip(self.layers, media.encodings, strict=True):
            layer.encoding = encoding
            if layer.sender is not None and layer.sender.transport is not link.transport:
                batch.end(layer.sender)
                layer.sender = None
            if codec is not None and link.transport.state != "closed":
                layer.apply(batch, send_config(media, codec, encoding), link)

    def follow(self) -> None:
        """After the batch has gone: the track is pumped into what there is now."""
        codec, media = self._codec, self.plan
        if self._paused or codec is None or media is None:
            return
        for layer in self.layers:
            layer.follow(self.owner.track, codec, limits_of(media, layer.encoding, codec), self.owner.transform)

    @property
    def codec(self) -> CodecUse | None:
        """What it sends with."""
        return self._codec

    def set_track(self, track: Any) -> None:
        if not self._paused:
            for layer in self.layers:
                layer.set_track(track)

    def set_transform(self, transform: Transform | None) -> None:
        """ValueError for a codec that cannot go out so; then nothing has changed."""
        if self._codec is not None:
            check_codec(transform, self._codec.name)
        for layer in self.layers:
            layer.set_transform(transform)

    def send_tone(self, code: int, ms: float) -> None:
        """A telephone event, where the peer takes them and there is a way to it."""
        sender = self.layers[0].sender if self.layers and not self._paused else None
        if sender is None or sender.config.tones is None or sender.transport.state not in ("connected", "stalled"):
            return
        batch = sender.transport.engine.batch()
        batch.tone(sender, code, ms / 1000)
        batch.submit()

    def pause(self) -> None:
        """Nothing is sent until it is applied again."""
        self._paused = True
        for layer in self.layers:
            layer.set_track(None)  # its pump is kept: RTP times go on

    def end(self, batch: Batch) -> None:
        self._paused = True
        for layer in self.layers:
            layer.end(batch)

    def close(self) -> None:
        """Nothing is sent any more."""
        self._paused = True
        for layer in self.layers:
            layer.close()
