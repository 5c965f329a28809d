"""FFmpeg's WHIP muxer, through PyAV, as publisher; or a recorder of the offer that it posts.

    ffmpeg_peer.py publish URL [--token T] [--no-audio] [--seconds N] [--dtls-active] [--cert FILE --key FILE]
    ffmpeg_peer.py capture FILE

The first writes JSON lines as gst_peer.py does, the second writes the offer to FILE. Without --dtls-active the muxer is
the DTLS server; without --cert it makes a certificate, on P-224 where FFmpeg is built with GnuTLS as in PyAV's wheels:
browsers refuse that one.

A program of its own because PyAV 18 holds the interpreter lock while it connects: a server in the same process would
hang. The muxer takes no frame before its connection stands: the first ``counts`` means that the server let it in.
"""

from __future__ import annotations

import argparse
import json
import math
import signal
import subprocess
import sys
import threading
import time
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import FrameType

import av
import numpy as np
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

FPS = 30
RATE = 48000
AUDIO_SAMPLES = 960  # 20 ms, one Opus packet


def report(event: str, **fields: object) -> None:
    """Write one event."""
    print(json.dumps({"event": event, **fields}), flush=True)


class Publisher:
    """Encodes a moving pattern (H.264 constrained baseline) and a tone (Opus) into the muxer, in real time."""

    def __init__(self, url: str, audio: bool, options: dict[str, str], size: tuple[int, int] = (640, 360)) -> None:
        self.counts = {"video": 0, "audio": 0}
        self.stopped = False
        self._width, self._height = size
        self._container = av.open(url, "w", format="whip", options=options)
        self._video = self._add_video()
        self._audio = self._add_audio() if audio else None

    def _add_video(self) -> VideoStream:
        # WebRTC wants no B-frames; a key frame a second serves viewers that join, as the muxer passes no PLI on.
        options = {"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline", "bf": "0"}
        stream = self._container.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = self._width, self._height, "yuv420p"
        stream.bit_rate = 800_000
        stream.gop_size = FPS
        return stream

    def _add_audio(self) -> AudioStream:
        stream = self._container.add_stream("libopus", rate=RATE)
        stream.layout = "stereo"
        stream.bit_rate = 64_000
        return stream

    def run(self, seconds: float) -> None:
        """Publish for so long, or until ``stopped``; av.FFmpegError when the server refuses or goes away."""
        reported = 0.0
        try:
            self._catch_up(0.0)  # the first packet makes the muxer connect, which takes its time
            start = time.monotonic()
            while not self.stopped and (now := time.monotonic() - start) < seconds:
                self._catch_up(now)
                if now >= reported + 0.2:
                    reported = now
                    report("counts", **self.counts)
                time.sleep(0.005)
        finally:
            self._container.close()

    def _catch_up(self, now: float) -> None:
        while self.counts["video"] <= now * FPS:
            self._container.mux(self._video.encode(self._picture(self.counts["video"])))
            self.counts["video"] += 1
        while self._audio is not None and self.counts["audio"] * AUDIO_SAMPLES <= now * RATE:
            self._container.mux(self._audio.encode(self._sound(self.counts["audio"])))
            self.counts["audio"] += 1

    def _picture(self, number: int) -> av.VideoFrame:
        planes = np.full((self._height * 3 // 2, self._width), 128, np.uint8)
        planes[: self._height] = np.linspace(40, 160, self._width, dtype=np.uint8)
        x = 8 * number % (self._width - 64)
        planes[100:164, x : x + 64] = 235
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, FPS)
        return frame

    def _sound(self, number: int) -> av.AudioFrame:
        first = number * AUDIO_SAMPLES
        wave = 0.25 * np.sin(2 * math.pi * 440 / RATE * np.arange(first, first + AUDIO_SAMPLES))
        samples = np.repeat((wave * 32767).astype(np.int16), 2).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="stereo")
        frame.sample_rate = RATE
        frame.pts, frame.time_base = first, Fraction(1, RATE)
        return frame


def publish(options: argparse.Namespace) -> int:
    """Run a publisher under the command line's options; the exit status."""
    muxer = {"authorization": options.token, "cert_file": options.cert, "key_file": options.key}
    muxer = {name: value for name, value in muxer.items() if value is not None}
    if options.dtls_active:
        muxer["whip_flags"] = "dtls_active"
    try:
        publisher = Publisher(options.url, options.audio, muxer)

        def stop(_number: int, _frame: FrameType | None) -> None:
            publisher.stopped = True

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        publisher.run(options.seconds)
    except (av.FFmpegError, OSError) as e:
        report("error", message=f"{type(e).__name__}: {e}")
        return 1
    return 0


def capture(timeout: float = 30.0) -> str:
    """The offer that FFmpeg posts: a publisher in another process meets a server that keeps it and answers 500."""
    offers: list[str] = []
    arrived = threading.Event()

    class Recorder(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            offers.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_error(500, "offer recorded")
            arrived.set()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Recorder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/live/whip"
        argv = [sys.executable, str(Path(__file__).resolve()), "publish", url, "--token", "tok", "--seconds", "5"]
        peer = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            arrived.wait(timeout)
            output, _ = peer.communicate(timeout=timeout)
        finally:
            peer.kill()
            peer.wait()
            server.shutdown()
    if not offers:
        raise RuntimeError(f"FFmpeg posted no offer: {output}")
    return offers[0]


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description="FFmpeg's WHIP muxer as publisher")
    modes = parser.add_subparsers(dest="mode", required=True)
    publishing = modes.add_parser("publish")
    publishing.add_argument("url")
    publishing.add_argument("--token")
    publishing.add_argument("--no-audio", dest="audio", action="store_false")
    publishing.add_argument("--dtls-active", action="store_true")
    publishing.add_argument("--cert", help="PEM file with the certificate to show")
    publishing.add_argument("--key", help="PEM file with its key")
    publishing.add_argument("--seconds", type=float, default=120.0)
    capturing = modes.add_parser("capture")
    capturing.add_argument("file", type=Path)
    options = parser.parse_args()
    if options.mode == "publish":
        return publish(options)
    options.file.write_bytes(capture().encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
