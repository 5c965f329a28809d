"""Writing a description, in the order JSEP prefers (RFC 9429 §5.2.1). Lines end with CRLF."""

from __future__ import annotations

from collections.abc import Iterator

from .candidate import format_candidate
from .description import (
    Attribute,
    Bandwidth,
    Codec,
    Connection,
    ExtMap,
    Group,
    Level,
    MediaSection,
    Rid,
    SessionDescription,
    Simulcast,
    SimulcastStreams,
)
from .errors import SdpError


def write(description: SessionDescription) -> str:
    """The text of a description. Raises SdpError when a value holds a line break or NUL, which would forge lines."""
    return join(_description(description))


def join(lines: Iterator[str]) -> str:
    """Lines with CRLF after each, none of which may hold what ends a line."""
    given = list(lines)
    text = "\r\n".join((*given, ""))
    if "\0" in text or text.count("\n") != len(given) or text.count("\r") != len(given):
        for number, line in enumerate(given, 1):
            if "\n" in line or "\r" in line or "\0" in line:
                raise SdpError("line break or NUL within a value", number, line)
    return text


def _description(desc: SessionDescription) -> Iterator[str]:
    yield f"v={desc.version}"
    o = desc.origin
    yield f"o={o.username} {o.session_id} {o.version} {o.network_type} {o.address_type} {o.address}"
    yield f"s={desc.name}"
    if desc.information is not None:
        yield f"i={desc.information}"
    if desc.uri is not None:
        yield f"u={desc.uri}"
    yield from (f"e={email}" for email in desc.emails)
    yield from (f"p={phone}" for phone in desc.phones)
    yield from _connection_and_bandwidth(desc)
    for timing in desc.times:
        yield f"t={timing.start} {timing.stop}"
        yield from (f"r={repeat}" for repeat in timing.repeats)
    if desc.time_zones is not None:
        yield f"z={desc.time_zones}"
    if desc.encryption_key is not None:
        yield f"k={desc.encryption_key}"
    yield from map(format_group, desc.groups)
    if desc.ice_lite:
        yield "a=ice-lite"
    if desc.msid_semantic is not None:
        yield f"a=msid-semantic:{desc.msid_semantic}"
    if desc.identity is not None:
        extensions = f" {desc.identity.extensions}" if desc.identity.extensions is not None else ""
        yield f"a=identity:{desc.identity.assertion}{extensions}"
    yield from _common(desc)
    yield from map(_attribute, desc.attributes)
    for section in desc.media:
        yield from _media(section)


def format_group(group: Group) -> str:
    return "a=group:" + " ".join((group.semantics, *group.mids))


def _connection_and_bandwidth(level: Level) -> Iterator[str]:
    if level.connection is not None:
        yield f"c={_connection(level.connection)}"
    yield from (_bandwidth(b) for b in level.bandwidth)


def _connection(c: Connection) -> str:
    return f"{c.network_type} {c.address_type} {c.address}"


def _bandwidth(b: Bandwidth) -> str:
    return f"b={b.type}:{b.value}"


def _common(level: Level) -> Iterator[str]:
    """Attributes that may stand at either level."""
    if level.ice_ufrag is not None:
        yield f"a=ice-ufrag:{level.ice_ufrag}"
    if level.ice_pwd is not None:
        yield f"a=ice-pwd:{level.ice_pwd}"
    if level.ice_options:
        yield "a=ice-options:" + " ".join(level.ice_options)
    for fingerprint in level.fingerprints:
        yield f"a=fingerprint:{fingerprint.algorithm} {fingerprint.value}"
    if level.setup is not None:
        yield f"a=setup:{level.setup}"
    if level.tls_id is not None:
        yield f"a=tls-id:{level.tls_id}"
    if level.extmap_allow_mixed:
        yield "a=extmap-allow-mixed"
    yield from map(_extmap, level.extmaps)
    if level.direction is not None:
        yield f"a={level.direction}"


def _extmap(entry: ExtMap) -> str:
    head = f"{entry.id}/{entry.direction}" if entry.direction is not None else str(entry.id)
    tail = f" {entry.attributes}" if entry.attributes is not None else ""
    return f"a=extmap:{head} {entry.uri}{tail}"


def _attribute(attribute: Attribute) -> str:
    return f"a={attribute.name}" if attribute.value is None else f"a={attribute.name}:{attribute.value}"


def _media(section: MediaSection) -> Iterator[str]:
    port = str(section.port) if section.port_count is None else f"{section.port}/{section.port_count}"
    yield " ".join((f"m={section.kind}", port, section.protocol, *section.formats))
    if section.information is not None:
        yield f"i={section.information}"
    yield from _connection_and_bandwidth(section)
    if section.encryption_key is not None:
        yield f"k={section.encryption_key}"
    if section.rtcp is not None:
        address = f" {_connection(section.rtcp.connection)}" if section.rtcp.connection is not None else ""
        yield f"a=rtcp:{section.rtcp.port}{address}"
    yield from (f"a={format_candidate(candidate)}" for candidate in section.candidates)
    if section.end_of_candidates:
        yield "a=end-of-candidates"
    if section.mid is not None:
        yield f"a=mid:{section.mid}"
    yield from _common(section)
    yield from _flags(section)
    yield from _rtp(section)
    if section.sctp_port is not None:
        yield f"a=sctp-port:{section.sctp_port}"
    if section.max_message_size is not None:
        yield f"a=max-message-size:{section.max_message_size}"
    yield from map(_attribute, section.attributes)


def _flags(section: MediaSection) -> Iterator[str]:
    for msid in section.msids:
        yield f"a=msid:{msid.stream}" if msid.track is None else f"a=msid:{msid.stream} {msid.track}"
    if section.bundle_only:
        yield "a=bundle-only"
    if section.rtcp_mux:
        yield "a=rtcp-mux"
    if section.rtcp_mux_only:
        yield "a=rtcp-mux-only"
    if section.rtcp_rsize:
        yield "a=rtcp-rsize"


def _rtp(section: MediaSection) -> Iterator[str]:
    yield from (f"a=rtcp-fb:* {feedback}" for feedback in section.wildcard_feedback)
    for codec in section.codecs:
        yield from _codec(codec)
    if section.ptime is not None:
        yield f"a=ptime:{section.ptime:.15g}"
    if section.maxptime is not None:
        yield f"a=maxptime:{section.maxptime:.15g}"
    yield from map(_rid, section.rids)
    if section.simulcast is not None:
        yield _simulcast(section.simulcast)
    for group in section.ssrc_groups:
        yield " ".join((f"a=ssrc-group:{group.semantics}", *map(str, group.ssrcs)))
    for source in section.ssrcs:
        for name, value in source.attributes:
            yield f"a=ssrc:{source.ssrc} {name}" if value is None else f"a=ssrc:{source.ssrc} {name}:{value}"


def _codec(codec: Codec) -> Iterator[str]:
    channels = "" if codec.channels is None else f"/{codec.channels}"
    yield f"a=rtpmap:{codec.payload_type} {codec.name}/{codec.clock_rate}{channels}"
    yield from (f"a=rtcp-fb:{codec.payload_type} {feedback}" for feedback in codec.feedback)
    if codec.fmtp is not None:
        yield f"a=fmtp:{codec.payload_type} {codec.fmtp}"


def _rid(rid: Rid) -> str:
    parts = [f"pt={','.join(map(str, rid.payload_types))}"] if rid.payload_types else []
    parts.extend(name if value is None else f"{name}={value}" for name, value in rid.restrictions)
    return f"a=rid:{rid.id} {rid.direction}" + (f" {';'.join(parts)}" if parts else "")


def _simulcast(simulcast: Simulcast) -> str:
    parts = ["a=simulcast:"]
    for word, streams in (("send", simulcast.send), ("recv", simulcast.recv)):
        if streams:
            parts.append(f"{word} {_streams(streams)}")
    return parts[0] + " ".join(parts[1:])


def _streams(streams: SimulcastStreams) -> str:
    return ";".join(",".join(f"~{rid.id}" if rid.paused else rid.id for rid in stream) for stream in streams)
