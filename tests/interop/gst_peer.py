"""A GStreamer peer (webrtcbin) that publishes by WHIP or watches by WHEP, and reports in JSON lines on standard output.

Run with a Python that has the ``gi`` module (Debian: /usr/bin/python3, package python3-gi); nothing else is needed:

    gst_peer.py publish|watch URL [--token T] [--codec VP8|VP9|H264] [--no-audio] [--seconds N]

Events: offer {sdp}; answer {status, location, sdp}; state {value} (of the connection); counts {video, audio}, which
are frames encoded when publishing, frames decoded when watching; error {message}. Ends after --seconds or on SIGTERM,
with a DELETE and exit status 0; on an error with status 1. On SIGUSR1 it writes what its threads do to standard error.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import signal
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import gi  # type: ignore[import-not-found]

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # type: ignore[import-not-found]  # noqa: E402

# For each codec: encoder; payloader; RTP caps to receive; depayloader and decoder. A depayloader that is not told to asks for
# no key frame when it has lost one.
CODECS = {
    "VP8": (
        "vp8enc deadline=1 cpu-used=8 target-bitrate=800000 keyframe-max-dist=90",
        "rtpvp8pay picture-id-mode=15-bit",
        "encoding-name=VP8",
        "rtpvp8depay request-keyframe=true wait-for-keyframe=true ! vp8dec",
    ),
    "VP9": (
        "vp9enc deadline=1 cpu-used=8 target-bitrate=800000 keyframe-max-dist=90",
        "rtpvp9pay picture-id-mode=15-bit",
        "encoding-name=VP9",
        "rtpvp9depay request-keyframe=true wait-for-keyframe=true ! vp9dec",
    ),
    "H264": (
        "x264enc tune=zerolatency speed-preset=ultrafast bitrate=800 key-int-max=90"
        " ! video/x-h264,profile=constrained-baseline",
        "rtph264pay aggregate-mode=zero-latency config-interval=-1",
        "encoding-name=H264,packetization-mode=(string)1,profile-level-id=(string)42e01f",
        "rtph264depay request-keyframe=true wait-for-keyframe=true ! avdec_h264",
    ),
}
VIDEO_CAPS = "application/x-rtp,media=video,payload=96,clock-rate=90000"
AUDIO_CAPS = "application/x-rtp,media=audio,payload=111,clock-rate=48000,encoding-name=OPUS,encoding-params=(string)2"


def report(event: str, **fields: object) -> None:
    """Write one event."""
    print(json.dumps({"event": event, **fields}), flush=True)


class Peer:
    """One webrtcbin, its pipeline and its WHIP or WHEP session."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.loop = GLib.MainLoop()
        self.counts = {"video": 0, "audio": 0}
        self.failed = False
        self._resource: str | None = None
        self._negotiating = False
        self._posted = False
        self._reported = dict(self.counts)
        if options.mode == "publish":
            self.pipeline = Gst.parse_launch(self._publishing())
            self.rtc = self.pipeline.get_by_name("rtc")
            for kind in self.counts:
                if encoded := self.pipeline.get_by_name(kind):
                    encoded.connect("handoff", self._count, kind)
        else:
            self.pipeline = Gst.Pipeline()
            self.rtc = Gst.ElementFactory.make("webrtcbin", "rtc")
            self.rtc.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
            self.pipeline.add(self.rtc)
            self.rtc.connect("pad-added", self._on_pad)

    def run(self) -> int:
        """Run to the end; the exit status."""
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self._on_bus_error)
        self.rtc.connect("on-negotiation-needed", self._on_negotiation_needed)
        self.rtc.connect("notify::ice-gathering-state", self._on_gathering)
        self.rtc.connect("notify::connection-state", self._on_connection)
        faulthandler.register(signal.SIGUSR1)
        for number in (signal.SIGTERM, signal.SIGINT):
            GLib.unix_signal_add(GLib.PRIORITY_HIGH, number, self._stop)
        GLib.timeout_add(200, self._report_counts)
        GLib.timeout_add(int(self.options.seconds * 1000), self._stop)
        self.pipeline.set_state(Gst.State.PLAYING)
        if self.options.mode == "watch":
            self._add_receivers()
        self._repair()
        try:
            self.loop.run()
        finally:
            self._delete()
            self.pipeline.set_state(Gst.State.NULL)
        return 1 if self.failed else 0

    def _publishing(self) -> str:
        o = self.options
        encoder, payloader, _, _ = CODECS[o.codec]
        # identity sits before the payloader: one handoff a frame, not a packet.
        text = (
            "webrtcbin name=rtc bundle-policy=max-bundle"
            " videotestsrc is-live=true pattern=ball"
            f" ! video/x-raw,format=I420,width={o.width},height={o.height},framerate={o.fps}/1 ! queue ! {encoder}"
            f" ! identity name=video signal-handoffs=true ! {payloader} ! {VIDEO_CAPS},encoding-name={o.codec} ! rtc."
        )
        if o.audio:
            text += (
                " audiotestsrc is-live=true wave=sine freq=440 ! audio/x-raw,rate=48000,channels=2 ! queue ! opusenc"
                f" ! identity name=audio signal-handoffs=true ! rtpopuspay ! {AUDIO_CAPS} ! rtc."
            )
        return text

    def _add_receivers(self) -> None:
        wanted = [f"{VIDEO_CAPS},{CODECS[self.options.codec][2]}"]
        if self.options.audio:
            wanted.append(AUDIO_CAPS)
        for caps in wanted:
            direction = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY
            self.rtc.emit("add-transceiver", direction, Gst.Caps.from_string(caps))

    def _repair(self) -> None:
        """Offer retransmission of video (not of audio: Chromium refuses that), and only send when publishing."""
        number = 0
        while transceiver := self.rtc.emit("get-transceiver", number):
            if transceiver.get_property("kind") == GstWebRTC.WebRTCKind.VIDEO:
                transceiver.set_property("do-nack", True)
            if self.options.mode == "publish":
                transceiver.set_property("direction", GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY)
            number += 1

    def _on_negotiation_needed(self, _rtc: Any) -> None:
        GLib.idle_add(self._negotiate)

    def _negotiate(self) -> bool:
        if not self._negotiating:
            self._negotiating = True
            self.rtc.emit("create-offer", None, Gst.Promise.new_with_change_func(self._on_offer, None))
        return False

    def _on_offer(self, promise: Any, _data: object) -> None:
        reply = promise.get_reply()  # owns the offer: must outlive its use
        offer = reply.get_value("offer")
        self.rtc.emit("set-local-description", offer, Gst.Promise.new())

    def _on_gathering(self, _rtc: Any, _pspec: object) -> None:
        GLib.idle_add(self._post_when_gathered)

    def _post_when_gathered(self) -> bool:
        done = self.rtc.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE
        local = self.rtc.get_property("local-description")
        if done and local is not None and not self._posted:
            self._posted = True
            sdp = local.sdp.as_text()
            report("offer", sdp=sdp)
            threading.Thread(target=self._post, args=(sdp,), daemon=True).start()
        return False

    def _request(self, method: str, url: str, body: str | None = None) -> Any:
        request = urllib.request.Request(url, method=method, data=body.encode() if body is not None else None)
        if body is not None:
            request.add_header("Content-Type", "application/sdp")
        if self.options.token:
            request.add_header("Authorization", f"Bearer {self.options.token}")
        return urllib.request.urlopen(request, timeout=10)

    def _post(self, sdp: str) -> None:
        try:
            with self._request("POST", self.options.url, sdp) as reply:
                answer = reply.read().decode()
                location = reply.headers.get("Location")
                if location:
                    self._resource = urllib.parse.urljoin(self.options.url, location)
                report("answer", status=reply.status, location=self._resource, sdp=answer)
            GLib.idle_add(self._apply, answer)
        except urllib.error.HTTPError as e:
            report("answer", status=e.code, location=None, sdp=e.read().decode(errors="replace"))
            GLib.idle_add(self._fail, f"the POST got status {e.code}")
        except OSError as e:
            GLib.idle_add(self._fail, f"the POST failed: {e}")

    def _apply(self, answer: str) -> bool:
        result, message = GstSdp.SDPMessage.new_from_text(answer)
        if result != GstSdp.SDPResult.OK:
            return self._fail("the answer is not SDP")
        description = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
        promise = Gst.Promise.new_with_change_func(self._on_applied, None)
        self.rtc.emit("set-remote-description", description, promise)
        return False

    def _on_applied(self, promise: Any, _data: object) -> None:
        reply = promise.get_reply()
        if reply is not None and reply.has_field("error"):
            GLib.idle_add(self._fail, f"the answer was refused: {reply.get_value('error')}")

    def _on_connection(self, rtc: Any, _pspec: object) -> None:
        state = rtc.get_property("connection-state").value_nick
        report("state", value=state)
        if state == "failed":
            GLib.idle_add(self._fail, "the connection failed")

    def _on_pad(self, _rtc: Any, pad: Any) -> None:
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        name = pad.get_current_caps().get_structure(0).get_string("encoding-name").upper()
        if name == "OPUS":
            kind, chain = "audio", "rtpopusdepay ! opusdec"
        else:
            kind, chain = "video", CODECS[name][3]
        text = f"queue ! {chain} ! fakesink name=sink sync=false async=false signal-handoffs=true"
        sink = Gst.parse_bin_from_description(text, True)
        sink.get_by_name("sink").connect("handoff", self._count_at_sink, kind)
        self.pipeline.add(sink)
        sink.sync_state_with_parent()
        pad.link(sink.get_static_pad("sink"))

    def _count(self, _identity: Any, _buffer: object, kind: str) -> None:
        self.counts[kind] += 1

    def _count_at_sink(self, _sink: Any, _buffer: object, _pad: object, kind: str) -> None:
        self.counts[kind] += 1

    def _report_counts(self) -> bool:
        now = dict(self.counts)
        if now != self._reported:
            self._reported = now
            report("counts", **now)
        return True

    def _on_bus_error(self, _bus: Any, message: Any) -> None:
        error, debug = message.parse_error()
        self._fail(f"{error.message} ({debug})")

    def _fail(self, message: str) -> bool:
        if not self.failed:
            self.failed = True
            report("error", message=message)
            self.loop.quit()
        return False

    def _stop(self) -> bool:
        self.loop.quit()
        return False

    def _delete(self) -> None:
        if self._resource is None:
            return
        try:
            self._request("DELETE", self._resource).close()
        except OSError as e:
            report("error", message=f"the DELETE failed: {e}")


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description="GStreamer as WHIP publisher or WHEP viewer")
    parser.add_argument("mode", choices=("publish", "watch"))
    parser.add_argument("url")
    parser.add_argument("--token")
    parser.add_argument("--codec", choices=tuple(CODECS), default="VP8")
    parser.add_argument("--no-audio", dest="audio", action="store_false")
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=360)
    parser.add_argument("--fps", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=120.0)
    options = parser.parse_args()
    Gst.init(None)
    return Peer(options).run()


if __name__ == "__main__":
    sys.exit(main())
