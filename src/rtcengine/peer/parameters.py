"""RTP parameters and capabilities: aiortc's dataclasses, with the W3C's fields that it lacks at their ends."""

from __future__ import annotations

from dataclasses import dataclass, field

ParametersDict = dict[str, int | str | None]


@dataclass
class RTCRtpCodecCapability:
    """A codec that can be sent or received."""

    mimeType: str
    clockRate: int
    channels: int | None = None
    parameters: ParametersDict = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.mimeType.split("/")[1]


@dataclass
class RTCRtcpFeedback:
    """A feedback message that was agreed on for a codec."""

    type: str
    parameter: str | None = None


@dataclass
class RTCRtpCodecParameters:
    """A codec as it was agreed on."""

    mimeType: str
    clockRate: int
    channels: int | None = None
    payloadType: int | None = None
    rtcpFeedback: list[RTCRtcpFeedback] = field(default_factory=list)
    parameters: ParametersDict = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.mimeType.split("/")[1]

    def __str__(self) -> str:
        return f"{self.name}/{self.clockRate}" + ("/2" if self.channels == 2 else "")


@dataclass
class RTCRtpRtxParameters:
    """The source that repairs another."""

    ssrc: int


@dataclass
class RTCRtpCodingParameters:
    """One stream."""

    ssrc: int = 0
    payloadType: int = 0
    rtx: RTCRtpRtxParameters | None = None
    rid: str | None = None


@dataclass
class RTCRtpDecodingParameters(RTCRtpCodingParameters):
    """One stream that is received."""


@dataclass
class RTCRtpEncodingParameters(RTCRtpCodingParameters):
    """One stream that is sent. `scaleResolutionDownBy` is of video alone; so is `scalabilityMode` (W3C webrtc-svc): "L1T1" to
    "L1T3", which VP8, VP9 and AV1 carry out. `ptime` (webrtc-extensions) is of audio alone: milliseconds of sound in a
    packet; the nearest of 10, 20, 40 and 60 that the peer's maxptime allows. `redundancy` (ours alone) is of audio with RED:
    frames that each packet repeats, 1 or 2; None: as the loss that the peer reports is worth."""

    active: bool = True
    maxBitrate: int | None = None
    maxFramerate: float | None = None
    scaleResolutionDownBy: float | None = None
    scalabilityMode: str | None = None
    ptime: int | None = None
    redundancy: int | None = None


@dataclass
class RTCRtpHeaderExtensionCapability:
    """A header extension that can be used."""

    uri: str


@dataclass
class RTCRtpHeaderExtensionParameters:
    """A header extension as it was agreed on."""

    id: int
    uri: str


@dataclass
class RTCRtpCapabilities:
    """What can be sent or received of a kind."""

    codecs: list[RTCRtpCodecCapability] = field(default_factory=list)
    headerExtensions: list[RTCRtpHeaderExtensionCapability] = field(default_factory=list)


@dataclass
class RTCRtcpParameters:
    """RTCP of a sender or receiver. `reducedSize` is RFC 5506."""

    cname: str | None = None
    mux: bool = False
    ssrc: int | None = None
    reducedSize: bool = False


@dataclass
class RTCRtpParameters:
    """What sender and receiver have in common."""

    codecs: list[RTCRtpCodecParameters] = field(default_factory=list)
    headerExtensions: list[RTCRtpHeaderExtensionParameters] = field(default_factory=list)
    muxId: str = ""
    rtcp: RTCRtcpParameters = field(default_factory=RTCRtcpParameters)


@dataclass
class RTCRtpReceiveParameters(RTCRtpParameters):
    """What a receiver expects."""

    encodings: list[RTCRtpDecodingParameters] = field(default_factory=list)


@dataclass
class RTCRtpSendParameters(RTCRtpParameters):
    """What a sender does; `transactionId` ties setParameters to the getParameters before it. `degradationPreference` (W3C
    mst-content-hint), of video: what is kept when bitrate or time do not suffice for all: "maintain-framerate",
    "maintain-resolution", "balanced", "maintain-framerate-and-resolution"; None: as the track's contentHint says."""

    encodings: list[RTCRtpEncodingParameters] = field(default_factory=list)
    transactionId: str = ""
    degradationPreference: str | None = None


@dataclass(frozen=True, slots=True)
class RTCRtpContributingSource:
    """Whose media a mixer put into what came. `timestamp` in milliseconds since 1970, `source` is a CSRC. `audioLevel` from 0
    to 1, None when the peer does not say it (RFC 6464 of a sender, RFC 6465 of those that it mixes). `captureTimestamp`
    (webrtc-extensions): when what came was captured, in milliseconds since 1900 by the clock of who did; None before that is
    known."""

    timestamp: float
    source: int
    rtpTimestamp: int = 0
    audioLevel: float | None = None
    captureTimestamp: float | None = None


@dataclass(frozen=True, slots=True)
class RTCRtpSynchronizationSource(RTCRtpContributingSource):
    """Who sent what came; `source` is its SSRC. `voiceActivityFlag`: whether the peer hears speech in it; None when it does not
    say."""

    voiceActivityFlag: bool | None = None


@dataclass
class RTCSctpCapabilities:
    """`maxMessageSize` in bytes."""

    maxMessageSize: int
