"""Files and devices as tracks, read and decoded on a thread of their own."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av

from ..codecs.packet import NAMES
from ..codecs.upright import Upright
from .inbox import Inbox
from .track import AUDIO_PTIME, Done, MediaStreamError, MediaStreamTrack

log = logging.getLogger("rtcengine.media")

# They keep time themselves.
REAL_TIME_FORMATS = set(
    "alsa android_camera avfoundation bktr decklink dshow fbdev gdigrab iec61883 jack kmsgrab openal oss pulse rtsp sndio"
    " v4l2 vfwcap x11grab".split()
)
AUDIO_RATE = 48000
AHEAD_S = 1.0
"""How far a file is read ahead of its playing time."""
PATIENCE_S = 2.0
"""So long a full track holds the file back for who reads it; then its oldest frames go, and the other track goes on."""


class PlayerStreamTrack(MediaStreamTrack):
    """What MediaPlayer has in `audio` and `video`: a file's frames come at the pace of their times."""

    def __init__(self, player: MediaPlayer, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self._player = player
        self._inbox = Inbox(kind)
        self._start: float | None = None

    async def recv(self) -> Any:
        if self.readyState != "live":
            raise MediaStreamError
        self._player._start(self)
        item = await self._inbox.get()
        if item is None:
            self.stop()
        if self.readyState != "live":
            raise MediaStreamError
        if self._player._throttle_playback and item.pts is not None:
            await self._pace(float(item.pts * item.time_base))
        return item

    async def _pace(self, at: float) -> None:
        wait = self._start + at - time.monotonic() if self._start is not None else 0.0
        if self._start is None or wait < -AHEAD_S:  # who did not read for a while goes on from there
            self._start = time.monotonic() - at
        else:
            await asyncio.sleep(wait)

    def stop(self) -> Done:
        if self.readyState == "live":
            super().stop()
            self._player._stop(self)
            self._inbox.end()
            self._inbox.clear()
        return Done()


class MediaPlayer:
    """Reads sound and pictures from a file, an address or a device, by FFmpeg.

    `file`: a path, an address, a device or a file-like object. `format`, `options`, `timeout`: as av.open takes them.
    `loop`: begins again at the end, for what can be sought in. `decode` False: tracks give packets as they are, for codecs
    that can be sent so. Pictures that a phone has recorded on their side are turned upright; sound is decoded to 48 kHz, two
    channels, 20 ms. The thread begins with the first `recv`; when all tracks that were read are stopped, everything is closed.
    Any thread may make one, which waits for the file: `await asyncio.to_thread(MediaPlayer, address)`.
    """

    def __init__(
        self,
        file: Any,
        format: str | None = None,
        options: dict[str, str] | None = None,
        timeout: Any = None,
        loop: bool = False,
        decode: bool = True,
    ) -> None:
        self._container: Any = av.open(file, format=format, mode="r", options=options, timeout=timeout)
        self._decode = decode
        self._loop = loop
        if loop and self._container.duration is None:
            self._container.close()
            raise ValueError("`loop` needs a file that can be sought in")
        self._tracks: dict[str, PlayerStreamTrack] = {}
        self._streams: list[Any] = []
        for stream in self._container.streams:
            if stream.type not in ("audio", "video") or stream.type in self._tracks:
                continue
            if decode or NAMES.get(stream.codec_context.name) is not None:
                self._tracks[stream.type] = PlayerStreamTrack(self, stream.type)
                self._streams.append(stream)
        self._throttle_playback = not REAL_TIME_FORMATS & set(self._container.format.name.split(","))
        self._started: set[PlayerStreamTrack] = set()
        self._thread: threading.Thread | None = None
        self._quit = threading.Event()

    @property
    def audio(self) -> MediaStreamTrack | None:
        """The first stream of sound, if there is one."""
        return self._tracks.get("audio")

    @property
    def video(self) -> MediaStreamTrack | None:
        """The first stream of pictures, if there is one."""
        return self._tracks.get("video")

    @property
    def codecs(self) -> list[str]:
        """FFmpeg's names of what the tracks have."""
        return [stream.codec_context.name for stream in self._streams]

    def _start(self, track: PlayerStreamTrack) -> None:
        self._started.add(track)
        track._inbox.begin()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="rtc-player", daemon=True)
            self._thread.start()

    def _stop(self, track: PlayerStreamTrack) -> None:
        self._started.discard(track)
        if self._started or self._quit.is_set():
            return
        if self._thread is None and any(other.readyState == "live" for other in self._tracks.values()):
            return  # which may be read yet
        self._quit.set()
        if self._thread is None:
            self._container.close()

    # The thread.

    def _work(self) -> None:
        try:
            self._read()
        except Exception as error:
            log.warning("%s cannot be read any further: %s", self._container.name, error)
        finally:
            self._container.close()
            for track in self._tracks.values():
                track._inbox.end()

    def _read(self) -> None:
        clock = _Clock()
        resampler, turn = _Resampler(), Upright()
        while not self._quit.is_set():
            given = False
            for item in self._items():
                kind = kind_of(item)
                for out in resampler.resample(item) if isinstance(item, av.AudioFrame) else [turn(item)]:
                    if out.pts is None:
                        log.debug("%s: what has no time is left out", self._container.name)
                        continue
                    given = True
                    clock.settle(kind, out)
                    self._give(self._tracks[kind], out, clock)
                if self._quit.is_set():
                    return
            if not self._loop or not given:
                return
            self._container.seek(0)
            clock.again()

    def _items(self) -> Iterator[Any]:
        """Frames or packets up to the end of the file. A device that has nothing yet is asked again."""
        while True:
            try:
                if self._decode:
                    yield from self._container.decode(*self._streams)
                else:
                    yield from (packet for packet in self._container.demux(*self._streams) if packet.size)
                return
            except BlockingIOError:
                if self._quit.wait(0.01):
                    return
            except EOFError:
                return

    def _give(self, track: PlayerStreamTrack, item: Any, clock: _Clock) -> None:
        if self._throttle_playback:
            ahead = clock.ahead()
            while ahead > AHEAD_S and not self._quit.wait(min(0.1, ahead - AHEAD_S)):
                ahead = clock.ahead()
            while track._inbox.full and track._inbox.read_within(PATIENCE_S) and not self._quit.wait(0.01):
                pass
        track._inbox.put(item)


def kind_of(item: Any) -> str:
    if isinstance(item, av.Packet):
        return str(item.stream.type)
    return "video" if isinstance(item, av.VideoFrame) else "audio"


class _Clock:
    """Times of what a file gives: pictures from 0 on, sound as the resampler counts it, and after its end from the end on."""

    def __init__(self) -> None:
        self._origin = time.monotonic()
        self._first: dict[str, Fraction] = {}  # what is taken off each kind's times
        self._end = Fraction(0)
        self._base = Fraction(0)
        self._last = Fraction(0)

    def settle(self, kind: str, item: Any) -> None:
        """Sets the item's time."""
        if kind == "audio" and not isinstance(item, av.Packet):
            self._last = item.pts * item.time_base
            self._end = max(self._end, self._last + Fraction(item.samples, item.sample_rate))
            return
        if kind not in self._first:
            at = item.pts * item.time_base
            # A camera does not begin at 0; packets of sound keep what they have, which the decoder would skip.
            self._first[kind] = (at if kind == "video" else min(at, Fraction(0))) - self._base
        item.pts -= int(self._first[kind] / item.time_base)
        self._last = item.pts * item.time_base
        length = Fraction(item.duration or 0) * item.time_base if item.duration else Fraction(1, 30)
        self._end = max(self._end, self._last + length)

    def again(self) -> None:
        """The file begins anew."""
        self._base = self._end
        self._first = {}

    def ahead(self) -> float:
        """Seconds that the last one is early."""
        return float(self._last) - (time.monotonic() - self._origin)


class _Resampler:
    """Sound as 48 kHz, two channels, 20 ms; its times count what has come out."""

    def __init__(self) -> None:
        self._samples = 0
        self._resampler = av.AudioResampler("s16", "stereo", AUDIO_RATE, int(AUDIO_RATE * AUDIO_PTIME))

    def resample(self, frame: av.AudioFrame) -> list[av.AudioFrame]:
        found = self._resampler.resample(frame)
        for out in found:
            out.pts, out.time_base = self._samples, Fraction(1, AUDIO_RATE)
            self._samples += out.samples
        return found
