"""Answers of a relay: to whoever publishes (WHIP, RFC 9725) and to whoever watches (WHEP).

Both follow RFC 3264 and RFC 9429 §5.3 with one policy: one transport (max-bundle, rtcp-mux), at most one audio and one
video section, one codec each with its RTX. A section of audio or video that cannot be served refuses the whole offer,
as WHIP wants; data channels are answered with port 0.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from ..types import Direction
from . import extensions
from .codecs import (
    answer_fmtp,
    choose_for_relay,
    describe,
    feedback_of,
    find_match,
    find_rtx,
    formats_of,
    is_repair,
    red_of,
)
from .description import (
    Codec,
    Codecs,
    Connection,
    ExtMap,
    Group,
    MediaSection,
    Msid,
    Origin,
    Rid,
    SessionDescription,
    Simulcast,
    SimulcastRid,
    Ssrc,
    SsrcGroup,
)
from .errors import NegotiationError
from .transport import LocalTransport, RemoteTransport, check_bundle, check_security, remote_transport, write_transport

MAX_LAYERS = 4
"""Of a simulcast that is taken: browsers send three at most."""
MAX_RID = 16
"""Characters of a layer's name: what a header extension of one byte holds (RFC 8852 §3)."""

_FEEDBACK = {
    "audio": ("transport-cc",),
    "video": ("transport-cc", "ccm fir", "nack", "nack pli"),
}


@dataclass(frozen=True, slots=True)
class DeclaredStream:
    """A source that the offer announces with a=ssrc, and its RTX source where a FID group names one."""

    ssrc: int
    rtx_ssrc: int | None
    cname: str | None


@dataclass(frozen=True, slots=True)
class LocalStream:
    """A source of ours toward a viewer. `rtx_ssrc` is announced only where RTX is negotiated."""

    ssrc: int
    rtx_ssrc: int | None
    cname: str
    stream_id: str
    track_id: str


@dataclass(frozen=True, slots=True)
class PublishedTrack:
    """What the publisher sends of one kind: `codec` and the URIs in `extensions` of its AcceptedSection, and whether its
    packets may repeat earlier frames (`red`, RFC 2198)."""

    codec: Codec
    extensions: Collection[str] = ()
    red: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedSection:
    """What was agreed for one audio or video section, in the offer's numbers.

    `direction` is ours. `codec` is as the offer has it, None only in an inactive section; `feedback` is what was agreed
    for it. `extensions` maps URI to id. `rids` are the simulcast layers a publisher will send, in its order, empty
    without simulcast. `stream` is ours, toward a viewer. `red_payload_type`: of packets that repeat earlier frames (RFC 2198).
    """

    index: int
    mid: str | None
    kind: str
    direction: Direction
    codec: Codec | None
    rtx_payload_type: int | None
    feedback: tuple[str, ...]
    extensions: dict[str, int]
    streams: tuple[DeclaredStream, ...] = ()
    rids: tuple[str, ...] = ()
    stream: LocalStream | None = None
    red_payload_type: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The description to send and what it means: accepted sections (rejected ones are left out) and their transport."""

    description: SessionDescription
    sections: tuple[AcceptedSection, ...]
    remote: RemoteTransport


def answer_publisher(offer: SessionDescription, local: LocalTransport, *, simulcast: bool = True) -> Answer:
    """The answer to someone who publishes: every section recvonly, the first codec of the offer that can be relayed.

    With `simulcast` all offered layers are asked for, without it one stream. Opus with redundancy (RED, RFC 2198) is taken
    where the offer prefers it. Raises NegotiationError (422).
    """
    served = _served(offer)
    for section in served:
        if not offer.direction_of(section).sends:
            raise NegotiationError("a publisher's section must be sendonly or sendrecv", mid=section.mid)
    builder = _Builder(offer, local, served)
    for section in served:
        codec = choose_for_relay(section)
        if codec is None:
            offered = _codec_names(section)
            raise NegotiationError(f"no codec that can be relayed among {offered}", mid=section.mid)
        answered = builder.start(section, Direction.RECVONLY)
        extmaps = extensions.answer_extensions(offer, section, extensions.FROM_PUBLISHER, sending=False)
        red = red_of(section.codecs).get(codec.payload_type)
        builder.add_codec(answered, section, codec, extmaps, red=red.codec if red is not None and red.first else None)
        rids = _accept_simulcast(answered, section, codec) if simulcast else ()
        builder.accept(section, answered, codec, streams=declared_streams(section), rids=rids)
    return builder.finish()


def answer_viewer(
    offer: SessionDescription,
    local: LocalTransport,
    published: Mapping[str, PublishedTrack],
    streams: Mapping[str, LocalStream],
) -> Answer:
    """The answer to someone who watches: each section sendonly with the publisher's codec under the viewer's number,
    or inactive when nothing of its kind is published. `published` and `streams` have "audio" and "video" as keys.

    Raises NegotiationError: 422, or 406 when the viewer lacks a codec the publisher sends.
    """
    served = _served(offer)
    for section in served:
        if offer.direction_of(section) is Direction.SENDONLY:
            raise NegotiationError("a viewer's section must be recvonly or sendrecv", mid=section.mid)
    builder = _Builder(offer, local, served)
    for section in served:
        track = published.get(section.kind)
        if track is None or offer.direction_of(section) is Direction.INACTIVE:
            builder.add_inactive(section)
            continue
        codec = find_match(section, track.codec)
        if codec is None:
            raise NegotiationError(
                f"the publisher sends {describe(track.codec)}, the viewer takes {_codec_names(section)}",
                status=406,
                mid=section.mid,
                codecs=tuple(describe(t.codec) for t in published.values()),
            )
        answered = builder.start(section, Direction.SENDONLY)
        wanted = extensions.WRITTEN_BY_RELAY | extensions.FORWARDED.intersection(track.extensions)
        extmaps = extensions.answer_extensions(offer, section, wanted, sending=True)
        red = red_of(section.codecs).get(codec.payload_type) if track.red else None
        builder.add_codec(answered, section, codec, extmaps, stream=track.codec, red=red.codec if red is not None else None)
        stream = streams[section.kind]
        _announce(answered, stream)
        builder.accept(section, answered, codec, stream=stream)
    return builder.finish()


class _Builder:
    """Grows an answer section by section, in the offer's order."""

    def __init__(self, offer: SessionDescription, local: LocalTransport, served: list[MediaSection]) -> None:
        check_security(offer, served)
        check_bundle(offer, served)
        self.offer = offer
        self.local = local
        self.remote = remote_transport(offer, served, local)
        self.answers = {id(section): _rejected(section) for section in offer.media}
        self.accepted: list[AcceptedSection] = []
        self.payload_types: set[int] = set()
        self.extension_ids: dict[int, str] = {}

    def start(self, section: MediaSection, direction: Direction) -> MediaSection:
        answered = self.answers[id(section)]
        write_transport(answered, self.local, self.remote, first=not self.accepted)
        answered.direction = direction
        answered.rtcp_rsize = section.rtcp_rsize
        answered.extmap_allow_mixed = section.extmap_allow_mixed
        return answered

    def add_codec(
        self,
        answered: MediaSection,
        section: MediaSection,
        offered: Codec,
        extmaps: tuple[ExtMap, ...],
        *,
        stream: Codec | None = None,
        red: Codec | None = None,
    ) -> None:
        """Puts the codec, its RTX, its RED and the extensions into the answer."""
        uris = {entry.uri for entry in extmaps}
        feedback = tuple(
            name
            for name in feedback_of(offered, section.wildcard_feedback)
            # Feedback about transport-wide numbers needs the extension that carries them.
            if name in _FEEDBACK[section.kind] and (name != "transport-cc" or extensions.TRANSPORT_CC in uris)
        )
        codecs = [replace(offered, fmtp=answer_fmtp(offered, stream), feedback=feedback)]
        rtx = find_rtx(section, offered.payload_type)
        if rtx is not None:
            codecs.append(replace(rtx, fmtp=f"apt={offered.payload_type}", feedback=()))
        if red is not None:
            before = answered.direction is Direction.RECVONLY  # as who sends has it
            codecs.insert(0 if before else 1, replace(red, feedback=()))
        answered.codecs = Codecs(codecs)
        answered.formats = formats_of(answered.codecs)
        answered.extmaps = extmaps
        self._claim(section, answered)

    def _claim(self, section: MediaSection, answered: MediaSection) -> None:
        """Numbers mean one thing in a bundle (RFC 9143 §9.1), else packets without a mid could not be told apart."""
        for codec in answered.codecs:
            if codec.payload_type in self.payload_types:
                raise NegotiationError(f"payload type {codec.payload_type} is used by two sections", mid=section.mid)
            self.payload_types.add(codec.payload_type)
        for entry in answered.extmaps:
            if self.extension_ids.setdefault(entry.id, entry.uri) != entry.uri:
                raise NegotiationError(f"extension id {entry.id} means two things in the bundle", mid=section.mid)

    def accept(
        self,
        section: MediaSection,
        answered: MediaSection,
        codec: Codec | None,
        *,
        streams: tuple[DeclaredStream, ...] = (),
        rids: tuple[str, ...] = (),
        stream: LocalStream | None = None,
    ) -> None:
        """Notes what the finished `answered` agrees to."""
        rtx = find_rtx(answered, codec.payload_type) if codec is not None else None
        red = red_of(answered.codecs).get(codec.payload_type) if codec is not None else None
        feedback = next((c.feedback for c in answered.codecs if codec is not None and c.payload_type == codec.payload_type), ())
        self.accepted.append(
            AcceptedSection(
                index=next(i for i, m in enumerate(self.offer.media) if m is section),
                mid=section.mid,
                kind=section.kind,
                direction=answered.direction or Direction.INACTIVE,
                codec=codec,
                rtx_payload_type=rtx.payload_type if rtx is not None else None,
                feedback=feedback,
                extensions={entry.uri: entry.id for entry in answered.extmaps},
                streams=streams,
                rids=rids,
                stream=stream,
                red_payload_type=red.codec.payload_type if red is not None else None,
            )
        )

    def add_inactive(self, section: MediaSection) -> None:
        """Accepts a section without media: an m-line still needs a format, so the first real codec stands in it."""
        answered = self.start(section, Direction.INACTIVE)
        codec = next((c for c in section.codecs if not is_repair(c)), None)
        if codec is not None:
            answered.codecs = Codecs([replace(codec, fmtp=answer_fmtp(codec), feedback=())])
        answered.formats = formats_of(answered.codecs) or section.formats[:1]
        self.accept(section, answered, None)

    def finish(self) -> Answer:
        local = self.local
        address = local.default_destination[1]
        description = SessionDescription(
            origin=Origin(
                "-",
                str(local.session_id),
                str(local.session_version),
                address.network_type,
                address.address_type,
                address.address,
            ),
            ice_lite=local.ice_lite,
            ice_options=list(local.ice_options),
            extmap_allow_mixed=self.offer.extmap_allow_mixed,
            media=[self.answers[id(section)] for section in self.offer.media],
        )
        group = self.offer.bundle_of(self.offer.media[self.accepted[0].index])
        if group is not None:
            # In the order of the offer's group: its first accepted mid becomes our tag (RFC 9143 §7.3.1).
            accepted = {section.mid for section in self.accepted}
            description.groups.append(Group("BUNDLE", tuple(mid for mid in group.mids if mid in accepted)))
        return Answer(description, tuple(self.accepted), self.remote)


def _served(offer: SessionDescription) -> list[MediaSection]:
    """The sections to serve. Switched-off ones stay off; what is neither media nor data cannot be served."""
    served: list[MediaSection] = []
    for section in offer.media:
        if section.is_rejected or section.kind == "application":
            continue
        if section.kind not in _FEEDBACK:
            raise NegotiationError(f"m={section.kind} is not served", mid=section.mid)
        if any(other.kind == section.kind for other in served):
            raise NegotiationError(f"more than one {section.kind} section", mid=section.mid)
        served.append(section)
    if not served:
        raise NegotiationError("no audio or video section is offered")
    return served


def _rejected(section: MediaSection) -> MediaSection:
    """The section with port 0 (RFC 3264 §6); start() brings it to life."""
    return MediaSection(
        kind=section.kind,
        port=0,
        protocol=section.protocol,
        formats=section.formats,
        connection=Connection(),
        mid=section.mid,
        direction=Direction.INACTIVE if section.is_rtp else None,
    )


def declared_streams(section: MediaSection) -> tuple[DeclaredStream, ...]:
    """Primary sources in order: those that no FID or FEC group names as second."""
    repair: set[int] = set()
    rtx_of: dict[int, int] = {}
    for group in section.ssrc_groups:
        if group.semantics in ("FID", "FEC", "FEC-FR") and len(group.ssrcs) >= 2:
            repair.update(group.ssrcs[1:])
            if group.semantics == "FID":
                rtx_of[group.ssrcs[0]] = group.ssrcs[1]
    return tuple(
        DeclaredStream(source.ssrc, rtx_of.get(source.ssrc), source.cname)
        for source in section.ssrcs
        if source.ssrc not in repair
    )


def _accept_simulcast(answered: MediaSection, section: MediaSection, codec: Codec) -> tuple[str, ...]:
    """Asks for layers that can be sent with the chosen codec (RFC 8853 §5.3.2, RFC 8851 §6.3) and told apart; their rids."""
    named = {extensions.MID, extensions.RID} <= {entry.uri for entry in answered.extmaps}
    if section.simulcast is None or not named:
        return ()
    usable = {
        rid.id: rid
        for rid in section.rids
        if rid.direction == "send"
        and len(rid.id) <= MAX_RID
        and (not rid.payload_types or codec.payload_type in rid.payload_types)
    }
    layers: list[SimulcastRid] = []
    for stream in section.simulcast.send:
        taken = {layer.id for layer in layers}  # an offer may name a rid twice; an answer must not
        layers += [r for r in stream if r.id in usable and r.id not in taken][:1]
    del layers[MAX_LAYERS:]
    if not layers:
        return ()
    for layer in layers:
        payload_types = (codec.payload_type,) if usable[layer.id].payload_types else ()
        answered.rids.append(Rid(layer.id, "recv", payload_types, usable[layer.id].restrictions))
    answered.simulcast = Simulcast(recv=tuple((SimulcastRid(layer.id, layer.paused),) for layer in layers))
    return tuple(layer.id for layer in layers)


def _announce(answered: MediaSection, stream: LocalStream) -> None:
    """Our stream's names and sources; the RTX source only where the answer has RTX."""
    answered.msids.append(Msid(stream.stream_id, stream.track_id))
    answered.ssrcs.append(Ssrc(stream.ssrc, [("cname", stream.cname)]))
    if len(answered.codecs) > 1 and stream.rtx_ssrc is not None:
        answered.ssrcs.append(Ssrc(stream.rtx_ssrc, [("cname", stream.cname)]))
        answered.ssrc_groups.append(SsrcGroup("FID", (stream.ssrc, stream.rtx_ssrc)))


def _codec_names(section: MediaSection) -> str:
    names = dict.fromkeys(describe(codec) for codec in section.codecs if not is_repair(codec))
    return ", ".join(names) or "none"
