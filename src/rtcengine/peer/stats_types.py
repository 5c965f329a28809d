"""What a report of statistics is made of: mappings whose entries are attributes too, named as in webrtc-stats."""

from __future__ import annotations

import time
from typing import Any

# A wall clock that never jumps (webrtc-stats: timestamps are of one that is monotonic).
_EPOCH_S = time.time() - time.monotonic()


def wall_ms(monotonic_s: float) -> float:
    """Milliseconds since 1970 of a time of time.monotonic()."""
    return (_EPOCH_S + monotonic_s) * 1000


class RTCStats(dict[str, Any]):
    """One object of statistics. It has `id`, `type` and `timestamp`; what is not known has no entry and no attribute."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__} {self.get('id')!r} has no {name!r}") from None


class RTCPeerConnectionStats(RTCStats):
    """type "peer-connection"."""


class RTCTransportStats(RTCStats):
    """type "transport"."""


class RTCCertificateStats(RTCStats):
    """type "certificate"."""


class RTCIceCandidatePairStats(RTCStats):
    """type "candidate-pair"."""


class RTCIceCandidateStats(RTCStats):
    """type "local-candidate" or "remote-candidate"."""


class RTCCodecStats(RTCStats):
    """type "codec"."""


class RTCMediaSourceStats(RTCStats):
    """type "media-source"."""


class RTCInboundRtpStreamStats(RTCStats):
    """type "inbound-rtp"."""


class RTCRemoteOutboundRtpStreamStats(RTCStats):
    """type "remote-outbound-rtp": a peer's word on what it sends."""


class RTCOutboundRtpStreamStats(RTCStats):
    """type "outbound-rtp"."""


class RTCRemoteInboundRtpStreamStats(RTCStats):
    """type "remote-inbound-rtp": a peer's word on what it gets of ours."""


class RTCStatsReport(dict[str, RTCStats]):
    """Statistics by their ids."""

    def add(self, stats: RTCStats) -> None:
        self[stats["id"]] = stats
