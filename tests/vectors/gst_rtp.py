"""Prints the RTP packets that GStreamer makes of a short test picture or tone, one a line in hex. Run with a Python that has
the ``gi`` module:

    gst_rtp.py NAME        (one of PIPELINES)
"""

from __future__ import annotations

import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

PICTURES = "videotestsrc num-buffers=4 pattern=smpte ! video/x-raw,format=I420,width=320,height=240,framerate=30/1"
TONE = "audiotestsrc num-buffers=4 freq=440 samplesperbuffer={0} ! audio/x-raw,format=S16LE,rate={1},channels=1"
PIPELINES = {
    "h264_x264": f"{PICTURES} ! x264enc tune=zerolatency speed-preset=veryfast bitrate=600 ! video/x-h264,profile=high"
    " ! rtph264pay mtu=1200 config-interval=-1 aggregate-mode=zero-latency",
    "h264_openh264": f"{PICTURES} ! openh264enc bitrate=600000 ! video/x-h264,profile=constrained-baseline ! h264parse"
    " ! rtph264pay mtu=1200 config-interval=-1",
    "h265": f"{PICTURES} ! x265enc tune=zerolatency speed-preset=veryfast bitrate=600 option-string=log-level=none"
    " ! h265parse ! rtph265pay mtu=1200 config-interval=-1 aggregate-mode=zero-latency",
    "pcmu": f"{TONE.format(160, 8000)} ! mulawenc ! rtppcmupay",
    "pcma": f"{TONE.format(160, 8000)} ! alawenc ! rtppcmapay",
    "g722": f"{TONE.format(320, 16000)} ! avenc_g722 ! rtpg722pay",
}


def main(name: str) -> int:
    Gst.init(None)
    pipeline = Gst.parse_launch(f"{PIPELINES[name]} ! appsink name=sink sync=false")
    sink = pipeline.get_by_name("sink")
    pipeline.set_state(Gst.State.PLAYING)
    while (sample := sink.emit("pull-sample")) is not None:
        buffer = sample.get_buffer()
        print(buffer.extract_dup(0, buffer.get_size()).hex())
    failed = pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    if failed is not None:
        print(failed.parse_error(), file=sys.stderr)
    return 1 if failed is not None else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
