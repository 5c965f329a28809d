"""What programs for aiortc import from its module of this name."""

from __future__ import annotations

from .media.receive import RemoteTrack as RemoteStreamTrack
from .peer.parameters import RTCRtpContributingSource, RTCRtpSynchronizationSource
from .peer.transceiver import RTCRtpReceiver

__all__ = [
    "RTCRtpContributingSource",
    "RTCRtpReceiver",
    "RTCRtpSynchronizationSource",
    "RemoteStreamTrack",
]
