"""Statistics of streams: what is sent, what comes, what either side says of the other's, codecs and sources."""

from __future__ import annotations

import time
from typing import Any

from ..codecs.loudness import Loudness
from .effects import CodecUse, MediaPlan
from .stats_types import (
    RTCCodecStats,
    RTCInboundRtpStreamStats,
    RTCMediaSourceStats,
    RTCOutboundRtpStreamStats,
    RTCRemoteInboundRtpStreamStats,
    RTCRemoteOutboundRtpStreamStats,
    RTCStats,
    RTCStatsReport,
    wall_ms,
)
from .streams import Incoming, Layer, Outgoing, Stream

Row = dict[str, Any]
NTP_TO_UNIX_S = 2_208_988_800
"""From 1900 to 1970 (RFC 5905)."""


class SentRows:
    """Of one encoding of a sender."""

    def __init__(self, outgoing: Outgoing, layer: Layer) -> None:
        self._outgoing, self._layer = outgoing, layer
        self._plan: MediaPlan | None = None
        self._codec: RTCStats = RTCCodecStats()
        self._stream: RTCStats = RTCOutboundRtpStreamStats()
        self._remote: RTCStats = RTCRemoteInboundRtpStreamStats()

    def add(self, report: RTCStatsReport, rows: dict[int, Row], now: float) -> RTCStats | None:
        """Its stream, when it has one."""
        outgoing = self._outgoing
        plan, sender, codec = outgoing.plan, self._layer.sender, outgoing.codec
        if plan is None or sender is None or codec is None or (row := rows.get(sender.id)) is None:
            return None
        if plan is not self._plan:
            self._prepare(plan, codec)
        counts = self._layer.counts
        found = RTCOutboundRtpStreamStats(self._stream)
        found["timestamp"] = now
        found["active"] = self._layer.encoding.active
        found["packetsSent"], found["bytesSent"] = row["packets"] + row["rtx_packets"], row["bytes"] + row["rtx_bytes"]
        found["retransmittedPacketsSent"], found["retransmittedBytesSent"] = row["rtx_packets"], row["rtx_bytes"]
        found["nackCount"] = row["nack_messages"]
        if plan.kind == "video":
            found["firCount"], found["pliCount"] = row["fir"], row["pli"]
            found["framesSent"], found["framesEncoded"], found["keyFramesEncoded"] = counts.frames, counts.encoded, counts.keys
            found["totalEncodeTime"] = counts.encode_s
            if self._layer.encoding.temporal_layers is not None:
                found["scalabilityMode"] = f"L1T{self._layer.encoding.temporal_layers}"
            if counts.width:
                found["frameWidth"], found["frameHeight"] = counts.width, counts.height
            limited = counts.limitation
            found["qualityLimitationReason"], found["qualityLimitationResolutionChanges"] = limited.reason, limited.changes
            found["qualityLimitationDurations"] = limited.seconds(time.monotonic())
        track = outgoing.owner.track
        if track is not None:
            source = self._source(report, track, now)
            found["mediaSourceId"], found["trackId"] = source["id"], track.id
        report[found["id"]] = found
        report[self._codec["id"]] = RTCCodecStats(self._codec, timestamp=now)
        if row["report"]:
            self._reported(report, row)
            found["remoteId"] = self._remote["id"]
        return found

    def _prepare(self, plan: MediaPlan, codec: CodecUse) -> None:
        encoding, transport = self._layer.encoding, f"T{plan.transport}"
        self._plan = plan
        self._codec = codec_stats(plan, codec, "O")
        self._stream = RTCOutboundRtpStreamStats(
            id=f"O{plan.transport}_{encoding.ssrc}", type="outbound-rtp", timestamp=0.0, ssrc=encoding.ssrc, kind=plan.kind
        )
        if codec.rtx_payload_type is not None:
            self._stream["rtxSsrc"] = encoding.rtx_ssrc
        if encoding.rid is not None:
            self._stream["rid"] = encoding.rid
        index = next((i for i, one in enumerate(plan.encodings) if one.ssrc == encoding.ssrc), 0)
        self._stream |= {"transportId": transport, "codecId": self._codec["id"], "mid": plan.mid, "encodingIndex": index}
        self._remote = RTCRemoteInboundRtpStreamStats(
            id=f"RI{plan.transport}_{encoding.ssrc}",
            type="remote-inbound-rtp",
            timestamp=0.0,
            ssrc=encoding.ssrc,
            kind=plan.kind,
            transportId=transport,
            codecId=self._codec["id"],
            localId=self._stream["id"],
        )

    def _reported(self, report: RTCStatsReport, row: Row) -> None:
        found = RTCRemoteInboundRtpStreamStats(self._remote)
        found["timestamp"] = wall_ms(row["report"] / 1e6)
        found["packetsLost"], found["fractionLost"], found["jitter"] = row["lost"], row["fraction_lost"], row["jitter_s"]
        found["roundTripTimeMeasurements"], found["totalRoundTripTime"] = row["rtt_n"], row["rtt_sum_us"] / 1e6
        if row["rtt_n"]:
            found["roundTripTime"] = row["rtt_us"] / 1e6
        report[found["id"]] = found

    def _source(self, report: RTCStatsReport, track: Any, now: float) -> RTCStats:
        counts = self._layer.counts
        id = f"S{track.id}"
        found = report[id] = RTCMediaSourceStats(
            id=id, type="media-source", timestamp=now, trackIdentifier=track.id, kind=track.kind
        )
        if track.kind == "video":
            found["frames"] = counts.taken
            if counts.source_width:
                found["width"], found["height"] = counts.source_width, counts.source_height
        elif counts.loudness.seconds:
            _add_loudness(found, counts.loudness)
        return found


class ReceivedRows:
    """Of one stream of a receiver."""

    def __init__(self, incoming: Incoming, stream: Stream) -> None:
        self._incoming, self._source = incoming, stream
        self._plan: MediaPlan | None = None
        self._ssrc = 0
        self._codec: RTCStats = RTCCodecStats()
        self._stream: RTCStats = RTCInboundRtpStreamStats()
        self._remote: RTCStats = RTCRemoteOutboundRtpStreamStats()

    def add(self, report: RTCStatsReport, rows: dict[int, Row], now: float) -> RTCStats | None:
        """Its stream, from the first packet on."""
        plan, receiver, feed = self._incoming.plan, self._source.receiver, self._source.feed
        if plan is None or receiver is None or (row := rows.get(receiver.id)) is None or not row["last"]:
            return None
        if plan is not self._plan or row["ssrc"] != self._ssrc:
            self._prepare(plan, row["ssrc"])
        track = feed.track if feed is not None else self._incoming.owner.track
        counts = self._source.counts or track.counts
        found = RTCInboundRtpStreamStats(self._stream)
        found["timestamp"] = now
        found["trackIdentifier"] = track.id
        found["packetsReceived"], found["bytesReceived"] = row["came_packets"], row["came_bytes"]
        found["packetsLost"], found["jitter"] = row["lost"], row["jitter_s"]
        found["retransmittedPacketsReceived"], found["retransmittedBytesReceived"] = row["rtx_packets"], row["rtx_bytes"]
        found["nackCount"] = row["nack_messages"]
        found["lastPacketReceivedTimestamp"] = wall_ms(row["last"] / 1e6)
        if plan.kind == "video":
            found["firCount"], found["pliCount"], found["framesReceived"] = row["fir"], row["pli"], row["frames_given"]
            found["framesDecoded"], found["keyFramesDecoded"] = counts.decoded, counts.keys
            found["framesDropped"], found["totalDecodeTime"] = row["frames_dropped"] + track.dropped, counts.decode_s
            if counts.width:
                found["frameWidth"], found["frameHeight"] = counts.width, counts.height
        else:
            if any(codec.red is not None for codec in plan.codecs):  # those not discarded stood in for lost frames
                found["fecPacketsReceived"], found["fecBytesReceived"] = row["red_blocks"], row["red_bytes"]
                found["fecPacketsDiscarded"] = row["red_blocks"] - row["frames_restored"]
            found["totalSamplesReceived"] = counts.samples
            found["concealedSamples"], found["concealmentEvents"] = counts.concealed, counts.concealments
            if counts.loudness.seconds:
                _add_loudness(found, counts.loudness)
        report[found["id"]] = found
        report[self._codec["id"]] = RTCCodecStats(self._codec, timestamp=now)
        if row["sr_at"]:
            self._reported(report, row)
            found["remoteId"] = self._remote["id"]
        return found

    def _prepare(self, plan: MediaPlan, ssrc: int) -> None:
        transport = f"T{plan.transport}"
        self._plan, self._ssrc = plan, ssrc
        self._codec = codec_stats(plan, plan.codecs[0], "I")
        self._stream = RTCInboundRtpStreamStats(
            id=f"I{plan.transport}_{ssrc}",
            type="inbound-rtp",
            timestamp=0.0,
            ssrc=ssrc,
            kind=plan.kind,
            transportId=transport,
            codecId=self._codec["id"],
            mid=plan.mid,
        )
        if self._source.rid:
            self._stream["rid"] = self._source.rid
        self._remote = RTCRemoteOutboundRtpStreamStats(
            id=f"RO{plan.transport}_{ssrc}",
            type="remote-outbound-rtp",
            timestamp=0.0,
            ssrc=ssrc,
            kind=plan.kind,
            transportId=transport,
            codecId=self._codec["id"],
            localId=self._stream["id"],
        )

    def _reported(self, report: RTCStatsReport, row: Row) -> None:
        found = RTCRemoteOutboundRtpStreamStats(self._remote)
        found["timestamp"] = wall_ms(row["sr_at"] / 1e6)
        found["packetsSent"], found["bytesSent"], found["reportsSent"] = row["sr_packets"], row["sr_bytes"], row["sr_n"]
        found["remoteTimestamp"] = (row["sr_ntp"] / 2**32 - NTP_TO_UNIX_S) * 1000
        report[found["id"]] = found


def _add_loudness(found: RTCStats, heard: Loudness) -> None:
    found["audioLevel"], found["totalAudioEnergy"], found["totalSamplesDuration"] = heard.level, heard.energy, heard.seconds


def codec_stats(plan: MediaPlan, codec: CodecUse, way: str) -> RTCStats:
    """Without its time. `way`: O or I; a codec's parameters may differ between the two."""
    number = codec.payload_type
    found = RTCCodecStats(
        id=f"C{way}{plan.transport}_{number}_{plan.mid}",
        type="codec",
        timestamp=0.0,
        payloadType=number,
        transportId=f"T{plan.transport}",
        mimeType=f"{plan.kind}/{codec.name}",
        clockRate=codec.clock_rate,
    )
    if codec.channels is not None:
        found["channels"] = codec.channels
    if codec.fmtp:
        found["sdpFmtpLine"] = codec.fmtp
    return found
