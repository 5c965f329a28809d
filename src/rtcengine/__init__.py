"""rtcengine: a WebRTC media engine whose packets never touch Python."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import crypto
from .certificate import Certificate
from .engine import (
    Allocation,
    Batch,
    Capture,
    EncodedFrame,
    Engine,
    EngineClosed,
    EngineError,
    EngineStats,
    FrameStream,
    IceCandidate,
    IceConfig,
    Receiver,
    RecvConfig,
    SendConfig,
    Sender,
    Socket,
    TlsConfig,
    TonePayload,
    Transport,
    TransportConfig,
    TransportEvent,
    TurnError,
)

if TYPE_CHECKING:
    from .codecs.about import About as About
    from .codecs.about import about as about
    from .codecs.about import tell as tell
    from .media.devices.constraints import Constrain as Constrain
    from .media.devices.constraints import MediaStreamConstraints as MediaStreamConstraints
    from .media.devices.constraints import MediaTrackConstraints as MediaTrackConstraints
    from .media.devices.errors import MediaDeviceError as MediaDeviceError
    from .media.devices.errors import NotAllowedError as NotAllowedError
    from .media.devices.errors import NotFoundError as NotFoundError
    from .media.devices.errors import NotReadableError as NotReadableError
    from .media.devices.errors import OverconstrainedError as OverconstrainedError
    from .media.devices.media_devices import InputDeviceInfo as InputDeviceInfo
    from .media.devices.media_devices import MediaDevices as MediaDevices
    from .media.devices.media_devices import mediaDevices as mediaDevices
    from .media.devices.track import CaptureTrack as CaptureTrack
    from .media.record import Recorder as Recorder
    from .media.record import RecordError as RecordError
    from .media.sframe_transform import SFrameTransform as SFrameTransform
    from .media.stream import MediaStream as MediaStream
    from .media.synthetic import SyntheticCamera as SyntheticCamera
    from .media.synthetic import SyntheticMicrophone as SyntheticMicrophone
    from .media.tones import DtmfTone as DtmfTone
    from .media.track import AudioStreamTrack as AudioStreamTrack
    from .media.track import MediaStreamError as MediaStreamError
    from .media.track import MediaStreamTrack as MediaStreamTrack
    from .media.track import VideoStreamTrack as VideoStreamTrack
    from .media.transform import TransformFrame as TransformFrame
    from .media.window import Window as Window
    from .media.window import WindowError as WindowError
    from .peer.certificate import RTCCertificate as RTCCertificate
    from .peer.certificate import RTCDtlsFingerprint as RTCDtlsFingerprint
    from .peer.channels import RTCDataChannel as RTCDataChannel
    from .peer.channels import RTCSctpTransport as RTCSctpTransport
    from .peer.configuration import RTCBundlePolicy as RTCBundlePolicy
    from .peer.configuration import RTCConfiguration as RTCConfiguration
    from .peer.configuration import RTCIceServer as RTCIceServer
    from .peer.configuration import RTCIceTransportPolicy as RTCIceTransportPolicy
    from .peer.configuration import RTCRtcpMuxPolicy as RTCRtcpMuxPolicy
    from .peer.connection import RTCPeerConnection as RTCPeerConnection
    from .peer.description import RTCIceCandidate as RTCIceCandidate
    from .peer.description import RTCSessionDescription as RTCSessionDescription
    from .peer.driver import RTCDataChannelParameters as RTCDataChannelParameters
    from .peer.dtmf import RTCDTMFSender as RTCDTMFSender
    from .peer.dtmf import RTCDTMFToneChangeEvent as RTCDTMFToneChangeEvent
    from .peer.errors import IdentityError as IdentityError
    from .peer.errors import InvalidAccessError as InvalidAccessError
    from .peer.errors import InvalidCharacterError as InvalidCharacterError
    from .peer.errors import InvalidModificationError as InvalidModificationError
    from .peer.errors import InvalidStateError as InvalidStateError
    from .peer.errors import NotSupportedError as NotSupportedError
    from .peer.errors import OperationError as OperationError
    from .peer.errors import RTCError as RTCError
    from .peer.identity import RTCIdentityAssertion as RTCIdentityAssertion
    from .peer.journal import Moment as Moment
    from .peer.media import RTCTrackEvent as RTCTrackEvent
    from .peer.network import NetworkOptions as NetworkOptions
    from .peer.parameters import RTCRtcpFeedback as RTCRtcpFeedback
    from .peer.parameters import RTCRtcpParameters as RTCRtcpParameters
    from .peer.parameters import RTCRtpCapabilities as RTCRtpCapabilities
    from .peer.parameters import RTCRtpCodecCapability as RTCRtpCodecCapability
    from .peer.parameters import RTCRtpCodecParameters as RTCRtpCodecParameters
    from .peer.parameters import RTCRtpContributingSource as RTCRtpContributingSource
    from .peer.parameters import RTCRtpEncodingParameters as RTCRtpEncodingParameters
    from .peer.parameters import RTCRtpHeaderExtensionCapability as RTCRtpHeaderExtensionCapability
    from .peer.parameters import RTCRtpHeaderExtensionParameters as RTCRtpHeaderExtensionParameters
    from .peer.parameters import RTCRtpParameters as RTCRtpParameters
    from .peer.parameters import RTCRtpSynchronizationSource as RTCRtpSynchronizationSource
    from .peer.parameters import RTCSctpCapabilities as RTCSctpCapabilities
    from .peer.report import ConnectionReport as ConnectionReport
    from .peer.report import TransportReport as TransportReport
    from .peer.stats_types import RTCInboundRtpStreamStats as RTCInboundRtpStreamStats
    from .peer.stats_types import RTCOutboundRtpStreamStats as RTCOutboundRtpStreamStats
    from .peer.stats_types import RTCRemoteInboundRtpStreamStats as RTCRemoteInboundRtpStreamStats
    from .peer.stats_types import RTCRemoteOutboundRtpStreamStats as RTCRemoteOutboundRtpStreamStats
    from .peer.stats_types import RTCStats as RTCStats
    from .peer.stats_types import RTCStatsReport as RTCStatsReport
    from .peer.stats_types import RTCTransportStats as RTCTransportStats
    from .peer.transceiver import RTCRtpReceiver as RTCRtpReceiver
    from .peer.transceiver import RTCRtpSender as RTCRtpSender
    from .peer.transceiver import RTCRtpTransceiver as RTCRtpTransceiver
    from .peer.transports import RTCDtlsParameters as RTCDtlsParameters
    from .peer.transports import RTCDtlsTransport as RTCDtlsTransport
    from .peer.transports import RTCIceCandidatePair as RTCIceCandidatePair
    from .peer.transports import RTCIceGatherer as RTCIceGatherer
    from .peer.transports import RTCIceParameters as RTCIceParameters
    from .peer.transports import RTCIceTransport as RTCIceTransport
    from .run import run as run
    from .whip import WhepClient as WhepClient
    from .whip import WhipClient as WhipClient
    from .whip import WhipError as WhipError


crypto.check()

__version__ = "0.1.0"

# What needs PyAV loads with its first use.
_LATER = {
    name: module
    for module, names in {
        "codecs.about": "About about tell",
        "media.record": "RecordError Recorder",
        "media.window": "Window WindowError",
        "media.devices.constraints": "Constrain MediaStreamConstraints MediaTrackConstraints",
        "media.devices.errors": "MediaDeviceError NotAllowedError NotFoundError NotReadableError OverconstrainedError",
        "media.devices.media_devices": "InputDeviceInfo MediaDevices mediaDevices",
        "media.devices.track": "CaptureTrack",
        "media.sframe_transform": "SFrameTransform",
        "media.stream": "MediaStream",
        "media.synthetic": "SyntheticCamera SyntheticMicrophone",
        "media.tones": "DtmfTone",
        "media.track": "AudioStreamTrack MediaStreamError MediaStreamTrack VideoStreamTrack",
        "media.transform": "TransformFrame",
        "peer.certificate": "RTCCertificate RTCDtlsFingerprint",
        "peer.channels": "RTCDataChannel RTCSctpTransport",
        "peer.configuration": "RTCBundlePolicy RTCConfiguration RTCIceServer RTCIceTransportPolicy RTCRtcpMuxPolicy",
        "peer.connection": "RTCPeerConnection",
        "peer.description": "RTCIceCandidate RTCSessionDescription",
        "peer.driver": "RTCDataChannelParameters",
        "peer.dtmf": "RTCDTMFSender RTCDTMFToneChangeEvent",
        "peer.errors": (
            "IdentityError InvalidAccessError InvalidCharacterError InvalidModificationError InvalidStateError "
            "NotSupportedError OperationError RTCError"
        ),
        "peer.identity": "RTCIdentityAssertion",
        "peer.journal": "Moment",
        "peer.media": "RTCTrackEvent",
        "peer.network": "NetworkOptions",
        "peer.parameters": (
            "RTCRtcpFeedback RTCRtcpParameters RTCRtpCapabilities RTCRtpCodecCapability "
            "RTCRtpCodecParameters RTCRtpEncodingParameters RTCRtpHeaderExtensionCapability "
            "RTCRtpHeaderExtensionParameters RTCRtpParameters RTCRtpContributingSource "
            "RTCRtpSynchronizationSource RTCSctpCapabilities"
        ),
        "peer.report": "ConnectionReport TransportReport",
        "peer.stats_types": (
            "RTCInboundRtpStreamStats RTCOutboundRtpStreamStats RTCRemoteInboundRtpStreamStats "
            "RTCRemoteOutboundRtpStreamStats RTCStats RTCStatsReport RTCTransportStats"
        ),
        "peer.transceiver": "RTCRtpReceiver RTCRtpSender RTCRtpTransceiver",
        "peer.transports": (
            "RTCDtlsParameters RTCDtlsTransport RTCIceCandidatePair RTCIceGatherer RTCIceParameters RTCIceTransport"
        ),
        "run": "run",
        "whip": "WhepClient WhipClient WhipError",
    }.items()
    for name in names.split()
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_LATER[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})


__all__ = [
    "About",
    "Allocation",
    "AudioStreamTrack",
    "Batch",
    "Capture",
    "CaptureTrack",
    "Certificate",
    "ConnectionReport",
    "Constrain",
    "DtmfTone",
    "EncodedFrame",
    "Engine",
    "EngineClosed",
    "EngineError",
    "EngineStats",
    "FrameStream",
    "IceCandidate",
    "IceConfig",
    "InputDeviceInfo",
    "InvalidAccessError",
    "InvalidCharacterError",
    "InvalidModificationError",
    "InvalidStateError",
    "MediaDeviceError",
    "MediaDevices",
    "MediaStream",
    "MediaStreamConstraints",
    "MediaStreamError",
    "MediaStreamTrack",
    "MediaTrackConstraints",
    "Moment",
    "NetworkOptions",
    "NotAllowedError",
    "NotFoundError",
    "NotReadableError",
    "NotSupportedError",
    "OperationError",
    "OverconstrainedError",
    "RTCBundlePolicy",
    "RTCCertificate",
    "RTCConfiguration",
    "RTCDTMFSender",
    "RTCDTMFToneChangeEvent",
    "RTCDataChannel",
    "RTCDataChannelParameters",
    "RTCDtlsFingerprint",
    "RTCDtlsParameters",
    "RTCDtlsTransport",
    "RTCError",
    "RTCIceCandidate",
    "RTCIceCandidatePair",
    "RTCIceGatherer",
    "RTCIceParameters",
    "RTCIceServer",
    "RTCIceTransport",
    "RTCIceTransportPolicy",
    "RTCInboundRtpStreamStats",
    "RTCOutboundRtpStreamStats",
    "RTCPeerConnection",
    "RTCRemoteInboundRtpStreamStats",
    "RTCRemoteOutboundRtpStreamStats",
    "RTCRtcpFeedback",
    "RTCRtcpMuxPolicy",
    "RTCRtcpParameters",
    "RTCRtpCapabilities",
    "RTCRtpCodecCapability",
    "RTCRtpCodecParameters",
    "RTCRtpContributingSource",
    "RTCRtpEncodingParameters",
    "RTCRtpHeaderExtensionCapability",
    "RTCRtpHeaderExtensionParameters",
    "RTCRtpParameters",
    "RTCRtpReceiver",
    "RTCRtpSender",
    "RTCRtpSynchronizationSource",
    "RTCRtpTransceiver",
    "RTCSctpCapabilities",
    "RTCSctpTransport",
    "RTCSessionDescription",
    "RTCStats",
    "RTCStatsReport",
    "RTCTrackEvent",
    "RTCTransportStats",
    "Receiver",
    "RecordError",
    "Recorder",
    "RecvConfig",
    "SFrameTransform",
    "SendConfig",
    "Sender",
    "Socket",
    "SyntheticCamera",
    "SyntheticMicrophone",
    "TlsConfig",
    "TonePayload",
    "TransformFrame",
    "Transport",
    "TransportConfig",
    "TransportEvent",
    "TransportReport",
    "TurnError",
    "VideoStreamTrack",
    "WhepClient",
    "WhipClient",
    "WhipError",
    "Window",
    "WindowError",
    "__version__",
    "about",
    "mediaDevices",
    "run",
    "tell",
]
