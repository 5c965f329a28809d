"""The offer that FFmpeg's whip muxer posts today, taken from PyAV: read without loss, answered as DTLS client."""

from __future__ import annotations

import http.server
import subprocess
import sys
from collections import Counter

import pytest

from rtcengine.sdp import LocalTransport, answer_publisher, parse, parse_candidate, write
from rtcengine.types import DtlsRole, Fingerprint

pytest.importorskip("av")

# A process of its own: the muxer posts with the GIL held, a server thread beside it would never run.
PUBLISH = """
import sys
import av
out = av.open(sys.argv[1], "w", format="whip")
options = {"profile": "baseline", "preset": "ultrafast", "tune": "zerolatency"}
video = out.add_stream("libx264", rate=30, options=options)
video.width, video.height, video.pix_fmt = 320, 240, "yuv420p"
out.add_stream("libopus", rate=48000, layout="stereo")
out.start_encoding()
"""


def capture() -> str:
    bodies: list[str] = []

    class Endpoint(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(403)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Endpoint) as server:
        server.timeout = 30
        url = f"http://127.0.0.1:{server.server_port}/room/whip"
        client = subprocess.Popen([sys.executable, "-c", PUBLISH, url], stderr=subprocess.DEVNULL)
        try:
            server.handle_request()
        finally:
            client.kill()
            client.wait()
    assert bodies, "the muxer posted no offer"
    return bodies[0]


def test_captured_offer() -> None:
    text = capture()
    offer = parse(text)
    assert Counter(write(offer).split("\r\n")) == Counter(text.replace("\r\n", "\n").split("\n"))
    assert parse(write(offer)) == offer
    local = LocalTransport(
        session_id=1,
        ice_ufrag="abcdefgh",
        ice_pwd="0123456789012345678901",
        fingerprints=(Fingerprint("sha-256", bytes(32)),),
        candidates=(parse_candidate("candidate:1 1 udp 2130706431 127.0.0.1 8189 typ host"),),
    )
    answer = answer_publisher(offer, local)
    assert answer.remote.dtls_role is DtlsRole.CLIENT and not answer.remote.candidates
    audio, video = answer.sections
    assert audio.codec is not None and audio.codec.name == "opus"
    assert video.codec is not None and video.codec.name == "H264" and video.rtx_payload_type is not None
