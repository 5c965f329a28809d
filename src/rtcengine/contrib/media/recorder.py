"""Tracks into a file, encoded on a thread of its own."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any

import av
from av.video.reformatter import VideoReformatter

from ...codecs.own import own_picture, own_sound
from ...media.output import Output, close_output, open_output
from ...media.track import MediaStreamError, MediaStreamTrack

log = logging.getLogger("rtcengine.media")

AUDIO_CODECS = {"wav": "pcm_s16le", "alsa": "pcm_s16le", "pulse": "pcm_s16le", "mp3": "mp3"}
AUDIO_CODECS |= dict.fromkeys(("ogg", "opus", "webm"), "libopus")
VIDEO_CODECS = {"image2": ("png", "rgb24"), "webm": ("libvpx", "yuv420p")}
# A file is written while its tracks go on: an encoder that is slower loses pictures.
LIVE = {"libx264": {"preset": "veryfast"}, "libvpx": {"deadline": "realtime", "cpu-used": "8"}}
FIRST_S = 1.0
"""So long the file waits for the first frame of every track: what is in it has to be known before anything is written."""


class _Written:
    """One track with its stream in the file."""

    def __init__(self, track: MediaStreamTrack, stream: Any) -> None:
        self.track, self.stream = track, stream
        self.task: asyncio.Task[None] | None = None
        self.first = asyncio.Event()
        self.began = False
        self.last: Fraction | None = None  # time of the last picture
        self.reformatter = VideoReformatter()


class MediaRecorder:
    """Writes sound and pictures to a file, by FFmpeg; the format follows from the name (`%3d` in one of pictures counts them).

    `file`: a path or a file-like object. `format`, `options`: as av.open takes them. Pictures have the size of the first one. A
    file that cannot be written any more is one error in the log, and `stop` raises it. Any thread may make one, which waits for
    the file; all else is for the thread of its event loop.
    """

    def __init__(self, file: Any, format: str | None = None, options: dict[str, str] | None = None) -> None:
        self._container, self._output = open_output(file, format, options)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rtc-recorder")
        self._tracks: dict[MediaStreamTrack, _Written] = {}
        self._stopping: asyncio.Task[None] | None = None
        self._failed = False

    def addTrack(self, track: MediaStreamTrack) -> None:
        """One more, to be recorded from `start` on."""
        form = self._container.format.name
        if track.kind == "audio":
            stream = self._container.add_stream(AUDIO_CODECS.get(form, "aac"))
        else:
            codec, pixels = VIDEO_CODECS.get(form, ("libx264", "yuv420p"))
            stream = self._container.add_stream(codec, rate=30, options=LIVE.get(codec, {}))
            stream.pix_fmt = pixels
            if codec != "png":
                stream.codec_context.time_base = Fraction(1, 90_000)  # a thirtieth would let pictures fall together
        self._tracks[track] = _Written(track, stream)

    async def start(self) -> None:
        """Begins to record."""
        for written in self._tracks.values():
            if written.task is None:
                written.task = asyncio.ensure_future(self._run(written))

    async def stop(self) -> None:
        """Ends the file. Idempotent: who calls again waits for the same end."""
        if self._stopping is None:
            self._stopping = asyncio.ensure_future(self._stop())
        await asyncio.shield(self._stopping)

    async def _stop(self) -> None:
        tracks, self._tracks = list(self._tracks.values()), {}
        tasks = [written.task for written in tracks if written.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        container, self._container = self._container, None
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, _finish, container, tracks, self._output)
        finally:
            self._thread.shutdown(wait=False)

    async def _run(self, written: _Written) -> None:
        loop = asyncio.get_running_loop()
        try:
            while not self._failed:
                frame = await written.track.recv()
                if not isinstance(frame, av.AudioFrame | av.VideoFrame):
                    raise TypeError("only frames can be recorded, not packets")
                if not written.first.is_set():
                    written.first.set()
                    await self._all_first()
                try:
                    await loop.run_in_executor(self._thread, _write, self._container, self._output, written, frame)
                except OSError as error:  # of the file, which the tracks share
                    if not self._failed:
                        log.error("recording ended: %s", error)
                    self._failed = True
        except MediaStreamError:
            return
        except Exception:
            log.exception("%r is not recorded any further", written.track)

    async def _all_first(self) -> None:
        try:
            async with asyncio.timeout(FIRST_S):
                await asyncio.gather(*(written.first.wait() for written in self._tracks.values()))
        except TimeoutError:
            pass


# On the thread.


def _write(container: Any, output: Output | None, written: _Written, frame: Any) -> None:
    stream, context = written.stream, written.stream.codec_context
    if isinstance(frame, av.VideoFrame):
        if not written.began and not context.is_open:
            even = ~1 if context.pix_fmt == "yuv420p" else ~0
            stream.width, stream.height = frame.width & even, frame.height & even
        at = Fraction(frame.pts or 0) * (frame.time_base or Fraction(1, 30))
        if written.last is not None and at <= written.last:
            return  # none of our encoders takes it
        written.last = at
        picture = own_picture(written.reformatter, frame, stream.width, stream.height, context.pix_fmt)
        picture.pict_type = av.video.frame.PictureType.NONE
        picture.pts, picture.time_base = frame.pts, frame.time_base
        frame = picture
    else:
        frame = own_sound(frame)
    written.began = True
    packets = stream.encode(frame)
    if output is None or output.error is None:  # else another track has met it
        container.mux(packets)


def _finish(container: Any, tracks: list[_Written], output: Output | None) -> None:
    try:
        for written in tracks:
            if written.began and (output is None or output.error is None):
                container.mux(written.stream.encode(None))
    finally:
        close_output(container, output)
