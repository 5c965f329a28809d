"""From a track to the engine: reads it, encodes on a thread, sends."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import av

from ..codecs.about import about
from ..codecs.encode import VIDEO_CLOCK, Encoded, Encoder, VideoEncoder, make_encoder, rtp_time, scaled
from ..codecs.framerate import FrameRate
from ..codecs.loudness import Loudness
from ..codecs.packet import PacketReader
from ..codecs.sound import Heard, SoundEncoder
from ..codecs.upright import Upright
from ..engine import RED_MORE_LOSS, EngineError, SendConfig, Sender
from ..payload import FrameDescription, TemporalLayer
from ..rtp import Extension
from .adapt import PREFERENCE_OF, USUAL_FPS, WHOLE, Adapt, Limitation, Step
from .blank import BLACK_FRAMERATE, blank
from .limits import BALANCED, FrameGate, Limits
from .sound.voice import Listener
from .tee import twin_of
from .timeline import Timeline
from .track import MediaStreamError, MediaStreamTrack
from .transform import Transform, TransformFrame, Transforming, why_unsendable

if TYPE_CHECKING:
    from typing_extensions import Buffer

log = logging.getLogger("rtcengine.media")

SCREEN_HINTS = {"detail", "text"}


class Beside(NamedTuple):
    """What goes with an encoded frame: when it was captured (time.monotonic()), and how it is turned, where that is told."""

    captured: float | None = None
    rotation: int | None = None


ALONE = Beside()
Ticket = tuple[int, bool, TemporalLayer | None, Heard | None, Beside]
"""What goes with a frame: its RTP time, whether it is a key frame, its layer, how it sounds."""


@dataclass(slots=True)
class SendCounts:
    """Of all tracks that were sent, one after the other. `taken`: frames and packets read from them, the latest picture of
    `source_width` and `source_height`; `encoded` of them, `keys` as key frames; `frames` went to the engine. `dropped`: those
    that were encoded and did not reach it. `loudness` of the sound that was encoded, `limitation` of the pictures."""

    taken: int = 0
    source_width: int = 0
    source_height: int = 0
    encoded: int = 0
    frames: int = 0
    keys: int = 0
    dropped: int = 0
    encode_s: float = 0.0
    width: int = 0
    height: int = 0
    loudness: Loudness = field(default_factory=Loudness)
    limitation: Limitation = field(default_factory=Limitation)


class SendPump:
    """Sends a track, which may be replaced at any time; everything of it runs on the asyncio loop but the encoder, which has
    a thread of its own from the first frame on. While one frame is encoded no other is read, so nothing queues up here.

    A track that gives packets of the sender's codec is passed on as it is. One that is disabled goes out as black, once a
    second, or as silence. Times go on over tracks.

    Pumps of one track share what they can: those with the same codec and limits take what the first of them encodes, and all
    read the track together, so that each gets every frame.
    """

    def __init__(
        self,
        sender: Sender,
        codec: str,
        clock_rate: int,
        fmtp: Mapping[str, Any] | None = None,
        limits: Limits | None = None,
        counts: SendCounts | None = None,
    ) -> None:
        self.sender = sender
        self.codec = codec.lower()
        self.counts = counts if counts is not None else SendCounts()
        self._fmtp = dict(fmtp or {})
        self._limits = limits if limits is not None else Limits()
        self._times = Timeline(clock_rate, secrets.randbits(32))
        self._gate = FrameGate(clock_rate)
        self._frame_rate = FrameRate(USUAL_FPS, VIDEO_CLOCK)
        self._adapt = Adapt(self.counts.limitation)
        self._target: int | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._encoder: Encoder | None = None
        self._reader: PacketReader | None = None
        self._track: MediaStreamTrack | None = None
        self._task: asyncio.Task[None] | None = None
        self._key = True
        self._enabled = True
        self._failing = False
        self._closed = False
        self._leader: SendPump | None = None  # whose frames are sent
        self._followers: list[SendPump] = []  # who send ours besides
        self._awaits_key = False
        self._upright = Upright()
        self._was_turned = False
        self._transforming: Transforming[Ticket] | None = None
        self._checked: SendConfig | None = None  # whether the transform's frames can be sent by it
        self._unsendable = ""  # why not
        self._loss = self._worst = 0  # percent of the packets, as the peer says; as the worst of all peers does
        sender.on_keyframe, sender.on_loss = self.force_key, self._on_loss

    @property
    def track(self) -> MediaStreamTrack | None:
        return self._track

    def set_track(self, track: MediaStreamTrack | None) -> None:
        """Another track, or none, from now on."""
        if self._closed:
            raise RuntimeError("the pump is closed")
        if track is self._track:
            return
        self._stop()
        self._track = track
        self._reader = None
        if track is not None:
            self._times.cut()
            self._gate.reset()
            self._key = True
            self._task = asyncio.ensure_future(self._run(track))

    def set_limits(self, limits: Limits) -> None:
        """From the next frame on."""
        if limits == self._limits:
            return
        if self._transforming is not None and limits.temporal_layers != self._limits.temporal_layers:
            self.force_key()  # which says of them
        self._limits = limits
        if self._leader is not None and self._track is not None:
            self._stop()
            self._task = asyncio.ensure_future(self._run(self._track))
        self._let_go()

    def set_target(self, bps: int | None) -> None:
        """What the way to the peer has room for, in bits per second, beside the limits; None: nobody knows."""
        self._target = bps

    def set_transform(self, transform: Transform | None) -> None:
        """What each frame goes through before it is sent, from the next one on, which will be a key frame where it can be."""
        self._checked = None
        if transform is None:
            if self._transforming is not None:
                self._transforming.close()
            self._transforming = None
        elif self._transforming is not None:
            self._transforming.transform = transform
        else:
            of = f"{self.codec} to the peer"
            self._transforming = Transforming(transform, of, self._hand_on, self.force_key, self._on_dropped)
        if self.sender.config.video:
            self.force_key()

    def force_key(self) -> None:
        """The next picture is a key frame."""
        self._key = True
        if self._leader is not None:
            self._leader.force_key()

    def _on_loss(self, percent: int) -> None:
        self._loss = percent

    def close(self) -> None:
        """Nothing is read or sent any more; the thread ends with what it is at. Idempotent."""
        self._closed = True
        self._stop()
        self._track = None
        self.sender.on_keyframe = self.sender.on_loss = None
        if self._transforming is not None:
            self._transforming.close()
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if self._leader is not None:
            self._leader._followers.remove(self)
            self._leader = None

    async def _run(self, track: MediaStreamTrack) -> None:
        try:
            await self.sender.transport.wait("connected")
            leaders: list[SendPump] = track.__dict__.setdefault("_own_pumps", [])
            if (leader := next((one for one in leaders if self._can_share(one)), None)) is not None:
                self._follow(leader)
                return
            with _leading(leaders, self, track) as source:
                while True:
                    frame = await source.recv()
                    if isinstance(frame, av.Packet):
                        for pump in (self, *self._followers):
                            pump._pass(track, frame)
                    else:
                        await self._take(track, frame)
        except (MediaStreamError, EngineError):
            return
        except Exception:
            log.exception("%r failed, and is not sent any more", track)

    @property
    def _tells_levels(self) -> bool:
        return Extension.AUDIO_LEVEL in self.sender.config.extensions

    @property
    def _tells_rotation(self) -> bool:
        return Extension.VIDEO_ORIENTATION in self.sender.config.extensions

    def _can_share(self, other: SendPump) -> bool:
        return self._form == other._form

    @property
    def _form(self) -> tuple[Any, ...]:
        config = self.sender.config
        red = config.red_pt is not None, config.red_levels
        return self.codec, self._fmtp, self._limits, self._tells_levels, self._tells_rotation, red

    def _follow(self, leader: SendPump) -> None:
        self._leader = leader
        leader._followers.append(self)
        self.counts.loudness = leader.counts.loudness
        self._times.cut()
        self._awaits_key = self.sender.config.video
        self.force_key()

    def _let_go(self) -> None:
        """Who sends ours besides has to see to itself."""
        followers, self._followers = self._followers, []
        for one in followers:
            one._leader = None
            if one._track is not None:
                one._key = True
                one._times.cut()
                one._task = asyncio.ensure_future(one._run(one._track))

    def _take_besides(self, found: list[tuple[Encoded, Heard | None]], now: float, beside: list[Beside]) -> None:
        """What the leader has encoded."""
        leader, counts = self._leader, self.counts
        assert leader is not None
        counts.taken += 1
        counts.source_width, counts.source_height = leader.counts.source_width, leader.counts.source_height
        counts.width, counts.height = leader.counts.width, leader.counts.height
        counts.limitation.become(leader.counts.limitation.reason, leader._adapt.step.scale, now)
        counts.encoded += len(found)
        for (encoded, heard), besides in zip(found, beside, strict=True):
            self._awaits_key = self._awaits_key and not encoded.key
            if not self._awaits_key:
                at = self._times.at(encoded.timestamp, now)
                self._send(encoded.data, at, encoded.key, encoded.layer, heard, besides)

    async def _take(self, track: MediaStreamTrack, frame: Any) -> None:
        now, limits, enabled = time.monotonic(), self._limits, bool(getattr(track, "enabled", True))
        self.counts.taken += 1
        clock_rate, video = self._times.clock_rate, isinstance(frame, av.VideoFrame)
        if video:
            self.counts.source_width, self.counts.source_height = frame.width, frame.height
        at = self._times.at(rtp_time(frame, clock_rate) if frame.pts is not None else None, now)
        if not limits.active:
            self._key = True
            return
        if enabled != self._enabled:
            self._enabled = enabled
            self._gate.reset()
        hint, bps = getattr(track, "contentHint", ""), self._room(limits)
        step = self._adapted(frame, at, limits, hint, bps, now) if video else WHOLE
        if video and not self._gate.passes(at, _least(limits.max_framerate, step.fps, None if enabled else BLACK_FRAMERATE)):
            return
        key, self._key = self._key, False
        self._worst = max(pump._loss for pump in (self, *self._followers))
        loop = asyncio.get_running_loop()
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="rtc-encode")
        try:
            given = frame, enabled, key, at, limits, hint, bps, step.scale
            before = self.counts.encode_s
            found = await loop.run_in_executor(self._thread, self._encode, *given)
            if video:
                self._adapt.on_encode_time(self.counts.encode_s - before, time.monotonic())
        except Exception as error:
            self._key = True
            if not self._failing:
                log.exception("a frame of %r could not be encoded as %s: %s", track, self.codec, error)
            self._failing = True
            return
        self._failing = False
        if key and video and not any(encoded.key for encoded, _ in found):
            self._key = True
        beside = [self._beside(frame, now, encoded.timestamp - at) for encoded, _ in found]
        for (encoded, heard), besides in zip(found, beside, strict=True):
            self._send(*encoded, heard, besides)
        for follower in self._followers:
            follower._take_besides(found, now, beside)

    def _room(self, limits: Limits) -> int | None:
        """The bitrate there is for all to whom this is sent."""
        bps = _least(limits.max_bitrate, *(pump._target for pump in (self, *self._followers)))
        return max(1, int(bps)) if bps is not None else None

    def _adapted(self, frame: Any, at: int, limits: Limits, hint: str, bps: int | None, now: float) -> Step:
        """What of the track's pictures is sent now."""
        fps, by = self._frame_rate.on(at), limits.scale_down_by
        self._adapt.on_target(bps, now)
        self._adapt.prefer(limits.preference or PREFERENCE_OF.get(hint, BALANCED), limits.bounds, now)
        fps = min(fps, limits.max_framerate or fps)
        return self._adapt.on_source(scaled(frame.width, by), scaled(frame.height, by), fps, now)

    def _beside(self, frame: Any, taken: float, ahead: int) -> Beside:
        """Of what was encoded with a frame, and is so much later than it in units of the clock rate. A source that does not say
        when a frame was captured gives it at once."""
        known = about(frame)
        captured = (known.captured if known.captured is not None else taken) + ahead / self._times.clock_rate
        if not self._tells_rotation:
            return Beside(captured)
        self._was_turned = self._was_turned or known.rotation != 0
        return Beside(captured, known.rotation if self._was_turned else None)

    def _encode(
        self, frame: Any, enabled: bool, key: bool, at: int, limits: Limits, hint: str, bps: int | None, scale: float
    ) -> list[tuple[Encoded, Heard | None]]:
        started = time.perf_counter()
        if not self._tells_rotation and isinstance(frame, av.VideoFrame):
            frame = self._upright(frame)
        if self._encoder is None:
            self._encoder = make_encoder(self.codec, self._fmtp)
            if isinstance(self._encoder, SoundEncoder):
                self._encoder.loudness = self.counts.loudness
                if self._tells_levels:
                    self._encoder.hears = Listener()
        self._encoder.set_bitrate(self._own_part(bps))
        if isinstance(self._encoder, VideoEncoder):
            self._encoder.scale_down_by = limits.scale_down_by * scale
            self._encoder.temporal_layers = limits.temporal_layers
            self._encoder.screen = hint in SCREEN_HINTS
        elif isinstance(self._encoder, SoundEncoder):
            self._encoder.set_packet_ms(limits.packet_ms)
            self._encoder.set_loss(self._worst)
            self._encoder.set_hint(hint)
        found = self._encoder.encode(frame if enabled else blank(frame), key, at=at)
        if isinstance(self._encoder, VideoEncoder) and self._encoder.coded_size is not None:
            self.counts.width, self.counts.height = self._encoder.coded_size
        self.counts.encode_s += time.perf_counter() - started
        self.counts.encoded += len(found)
        if isinstance(self._encoder, SoundEncoder):
            return list(zip(found, self._encoder.heard, strict=True))
        return [(encoded, None) for encoded in found]

    def _own_part(self, bps: int | None) -> int | None:
        """Of what may be sent that which is left for frames themselves, where packets repeat earlier ones."""
        config = self.sender.config
        if bps is None or config.red_pt is None:
            return bps
        return bps // (1 + (config.red_levels or (2 if self._worst >= RED_MORE_LOSS else 1)))

    def _pass(self, track: MediaStreamTrack, packet: Any) -> None:
        self.counts.taken += 1
        if not (self._limits.active and getattr(track, "enabled", True) and packet.size):
            return
        if self._reader is None:
            self._reader = PacketReader(packet)
            if self._reader.known and self._reader.codec != self.codec:
                log.error("%r gives packets of another codec than %s, which was agreed: they are not sent", track, self.codec)
        if self._reader.known and self._reader.codec != self.codec:
            return
        time_ = rtp_time(packet, self._times.clock_rate) if packet.pts is not None else None
        at = self._times.at(time_, time.monotonic(), back=True)
        try:
            data = self._reader.read(packet)
        except ValueError as error:
            log.warning("a packet of %r is left out: %s", track, error)
            self.counts.dropped += 1
            return
        self._send(data, at, packet.is_keyframe or not self.sender.config.video)

    def _send(
        self,
        data: Buffer,
        at: int,
        key: bool,
        layer: TemporalLayer | None = None,
        heard: Heard | None = None,
        beside: Beside = ALONE,
    ) -> None:
        if self._transforming is None:
            self._hand_on((at, key, layer, heard, beside), data)
        elif self._can_send(self._transforming.transform):
            self._transforming.feed(self._to_transform(data, at, key, layer), (at, key, layer, heard, beside))
        else:
            self.counts.dropped += 1

    def _can_send(self, transform: Transform) -> bool:
        config = self.sender.config
        if self._checked is not config:
            self._checked = config
            self._unsendable = why_unsendable(transform, self.codec, config.extensions)
            if self._unsendable:
                log.error("no %s is sent: %s", self.codec, self._unsendable)
        return not self._unsendable

    def _to_transform(self, data: Buffer, at: int, key: bool, layer: TemporalLayer | None) -> TransformFrame:
        config, counts = self.sender.config, self.counts
        kind = "video" if config.video else "audio"
        metadata: dict[str, Any] = {
            "mimeType": f"{kind}/{config.codec}",
            "payloadType": config.pt,
            "mid": config.mid,
            "clockRate": config.clock_rate,
        }
        if config.video:
            metadata |= {"rid": config.rid, "width": counts.width, "height": counts.height}
            metadata["temporalIndex"] = layer.id if layer is not None else 0
        return TransformFrame(
            data=data,
            timestamp=at & 0xFFFFFFFF,
            key=key,
            kind=kind,
            ssrc=config.ssrc,
            codec=config.codec,
            outgoing=True,
            metadata=metadata,
        )

    def _hand_on(self, ticket: Ticket, data: Buffer) -> None:
        at, key, layer, heard, beside = ticket
        level, voice, begins = heard if heard is not None else (None, False, False)
        turned, captured = beside.rotation, beside.captured
        try:
            self.sender.send_frame(
                data,
                at,
                key,
                layer,
                level=level,
                voice=voice,
                begins=begins,
                rotation=turned,
                captured=captured,
                description=self._description,
            )
        except BufferError:
            self.counts.dropped += 1
            self.force_key()
            return
        self.counts.frames += 1
        self.counts.keys += key

    @property
    def _description(self) -> FrameDescription | None:
        """Behind a transform, since others may not be able to look into the frames, and of AV1 in layers, told nowhere else."""
        config, counts = self.sender.config, self.counts
        needed = self._transforming is not None or (self.codec.lower() == "av1" and self._limits.temporal_layers > 1)
        if not needed or not config.video or Extension.DEPENDENCY_DESCRIPTOR not in config.extensions:
            return None
        return FrameDescription(min(self._limits.temporal_layers, 3), counts.width, counts.height)

    def _on_dropped(self, _: bool) -> None:
        self.counts.dropped += 1


def _least(*bounds: float | None) -> float | None:
    """Of those that there are."""
    return min((bound for bound in bounds if bound is not None), default=None)


@contextmanager
def _leading(leaders: list[SendPump], pump: SendPump, track: MediaStreamTrack) -> Iterator[MediaStreamTrack]:
    """What to read while this pump encodes the track: the track, or beside other pumps one that reads the same."""
    source = twin_of(track, 1 if track.kind == "video" else None) if leaders else track
    leaders.append(pump)
    try:
        yield source
    finally:
        leaders.remove(pump)
        if source is not track:
            source.stop()
        pump._let_go()
