"""One side of a call by GStreamer's webrtcbin: sends a test picture and a tone, decodes what comes, tells candidates one by
one. Run with a Python that has the ``gi`` module, as gst_peer.py is:

    gst_call_peer.py [--codec VP8|VP9|H264]

Lines and events as pipe_peer.py tells them, of which it has start, signal, state and error. What is signalled is {sdp, type}
or {candidate, sdpMLineIndex}; counts has the decoded frames of both kinds, size the width and height of a picture.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from typing import Any

from gst_peer import CODECS, GLib, Gst, GstSdp, GstWebRTC  # type: ignore[import-not-found]
from gst_peer import report as report_here

VIDEO = "application/x-rtp,media=video,clock-rate=90000"
AUDIO = "application/x-rtp,media=audio,clock-rate=48000,encoding-name=OPUS,encoding-params=(string)2"


def report(event: str, **fields: object) -> None:
    """From the loop's thread, whichever it is called on: two lines at once would be none."""

    def write() -> bool:
        report_here(event, **fields)
        return False

    GLib.idle_add(write)


class Peer:
    """One webrtcbin and its pipeline, which is made with the first description: payload types are the offerer's."""

    def __init__(self, codec: str) -> None:
        self.codec = codec
        self.loop = GLib.MainLoop()
        self.counts = {"video": 0, "audio": 0}
        self.failed = False
        self.pipeline: Any = None
        self.rtc: Any = None
        self._offerer = False
        self._reported = dict(self.counts)
        self._held: list[Any] = []  # a reply owns its description

    def run(self) -> int:
        """Until the input ends, or on SIGTERM; the exit status."""
        threading.Thread(target=self._read, daemon=True).start()
        GLib.unix_signal_add(GLib.PRIORITY_HIGH, signal.SIGTERM, self._stop)
        GLib.timeout_add(100, self._report_counts)
        self.loop.run()
        if self.pipeline is not None:
            self.pipeline.set_state(Gst.State.NULL)
        return 1 if self.failed else 0

    def _read(self) -> None:
        for line in sys.stdin:
            GLib.idle_add(self._obey, json.loads(line))
        GLib.idle_add(self._stop)

    def _obey(self, command: dict[str, Any]) -> bool:
        if command["do"] == "start":
            self._offerer = command["offerer"]
            if self._offerer:
                self._make(video=96, audio=111)
        elif command["do"] == "signal":
            self._hear(command["value"])
        return False

    def _make(self, video: int, audio: int) -> None:
        encoder, payloader, _, _ = CODECS[self.codec]
        self.pipeline = Gst.parse_launch(
            "webrtcbin name=rtc bundle-policy=max-bundle"
            f" videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=320,height=240,framerate=30/1 ! queue"
            f" ! {encoder} ! {payloader} pt={video} ! {VIDEO},payload={video},encoding-name={self.codec} ! rtc."
            " audiotestsrc is-live=true wave=sine freq=440 ! audio/x-raw,rate=48000,channels=2 ! queue ! opusenc"
            f" ! rtpopuspay pt={audio} ! {AUDIO},payload={audio} ! rtc."
        )
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self._on_bus_error)
        self.rtc = self.pipeline.get_by_name("rtc")
        self.rtc.connect("on-ice-candidate", self._on_candidate)
        self.rtc.connect("notify::connection-state", self._on_connection)
        self.rtc.connect("pad-added", self._on_pad)
        if self._offerer:
            self.rtc.connect("on-negotiation-needed", lambda _: GLib.idle_add(self._offer))
        self.pipeline.set_state(Gst.State.PLAYING)
        number = 0
        while transceiver := self.rtc.emit("get-transceiver", number):
            if transceiver.get_property("kind") == GstWebRTC.WebRTCKind.VIDEO:
                transceiver.set_property("do-nack", True)
            number += 1

    # --- descriptions

    def _offer(self) -> bool:
        self.rtc.emit("create-offer", None, Gst.Promise.new_with_change_func(self._on_described, "offer"))
        return False

    def _on_described(self, promise: Any, kind: str) -> None:
        reply = promise.get_reply()
        self._held.append(reply)
        if reply.has_field("error"):
            GLib.idle_add(self._fail, f"no {kind}: {reply.get_value('error')}")
            return
        description = reply.get_value(kind)
        self.rtc.emit("set-local-description", description, Gst.Promise.new())
        report("signal", value={"type": kind, "sdp": description.sdp.as_text()})

    def _hear(self, value: dict[str, Any]) -> None:
        if "candidate" in value:
            if self.rtc is not None:  # what comes before an offer stands in it too
                self.rtc.emit("add-ice-candidate", value["sdpMLineIndex"], value["candidate"])
            return
        result, message = GstSdp.SDPMessage.new_from_text(value["sdp"])
        if result != GstSdp.SDPResult.OK:
            self._fail("the description is not SDP")
            return
        if value["type"] == "offer":
            self._make(video=payload_type(value["sdp"], self.codec), audio=payload_type(value["sdp"], "opus"))
        kind = GstWebRTC.WebRTCSDPType.OFFER if value["type"] == "offer" else GstWebRTC.WebRTCSDPType.ANSWER
        description = GstWebRTC.WebRTCSessionDescription.new(kind, message)
        promise = Gst.Promise.new_with_change_func(self._on_heard, value["type"])
        self.rtc.emit("set-remote-description", description, promise)

    def _on_heard(self, promise: Any, kind: str) -> None:
        reply = promise.get_reply()
        if reply is not None and reply.has_field("error"):
            GLib.idle_add(self._fail, f"the {kind} was refused: {reply.get_value('error')}")
        elif kind == "offer":
            self.rtc.emit("create-answer", None, Gst.Promise.new_with_change_func(self._on_described, "answer"))

    def _on_candidate(self, _rtc: Any, index: int, candidate: str) -> None:
        report("signal", value={"candidate": candidate, "sdpMLineIndex": index})

    def _on_connection(self, rtc: Any, _pspec: object) -> None:
        report("state", value=rtc.get_property("connection-state").value_nick)

    # --- what comes

    def _on_pad(self, _rtc: Any, pad: Any) -> None:
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        name = pad.get_current_caps().get_structure(0).get_string("encoding-name").upper()
        kind, chain = ("audio", "rtpopusdepay ! opusdec") if name == "OPUS" else ("video", CODECS[name][3])
        sink = Gst.parse_bin_from_description(
            f"queue ! {chain} ! fakesink name=sink sync=false async=false signal-handoffs=true", True
        )
        sink.get_by_name("sink").connect("handoff", self._count, kind)
        self.pipeline.add(sink)
        sink.sync_state_with_parent()
        pad.link(sink.get_static_pad("sink"))

    def _count(self, _sink: Any, _buffer: object, pad: Any, kind: str) -> None:
        if kind == "video" and not self.counts["video"]:
            shown = pad.get_current_caps().get_structure(0)
            report("size", width=shown.get_value("width"), height=shown.get_value("height"))
        self.counts[kind] += 1

    def _report_counts(self) -> bool:
        if self.counts != self._reported:
            self._reported = dict(self.counts)
            report("counts", **self._reported)
        return True

    def _on_bus_error(self, _bus: Any, message: Any) -> None:
        error, debug = message.parse_error()
        self._fail(f"{error.message} ({debug})")

    def _fail(self, message: str) -> bool:
        if not self.failed:
            self.failed = True
            report_here("error", message=message)
            self.loop.quit()
        return False

    def _stop(self) -> bool:
        self.loop.quit()
        return False


def payload_type(sdp: str, codec: str) -> int:
    """The offerer's first of that codec."""
    lines = (line.removeprefix("a=rtpmap:").split(" ", 1) for line in sdp.splitlines() if line.startswith("a=rtpmap:"))
    return next(int(number) for number, name in lines if name.split("/")[0].lower() == codec.lower())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="GStreamer's side of a call")
    parser.add_argument("--codec", choices=tuple(CODECS), default="VP8")
    options = parser.parse_args()
    Gst.init(None)
    sys.exit(Peer(options.codec).run())
