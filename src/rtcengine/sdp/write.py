"""Writing a description, in the order JSEP prefers (RFC 9429 §5.2.1). Lines end with CRLF."""

from __future__ import annotations

from collections.abc import Iterable

from .candidate import format_candidate
from .description import (
    Attribute,
    Bandwidth,
    Codecs,
    Connection,
    ExtMap,
    Group,
    Level,
    MediaSection,
    Rid,
    SessionDescription,
    Simulcast,
    SimulcastStreams,
    kept,
)
from .errors import SdpError


def write(description: SessionDescription) -> str:
    """The text of a description. Raises SdpError when a value holds a line break or NUL, which would forge lines."""
    return join(_description(description))


def join(lines: Iterable[str]) -> str:
    """Lines with CRLF after each, none of which may hold what ends a line."""
    given = list(lines)
    text = "\r\n".join((*given, ""))
    if "\0" in text or text.count("\n") != len(given) or text.count("\r") != len(given):
        for number, line in enumerate(given, 1):
            if "\n" in line or "\r" in line or "\0" in line:
                raise SdpError("line break or NUL within a value", number, line)
    return text


def _description(desc: SessionDescription) -> list[str]:
    o = desc.origin
    lines = [
        f"v={desc.version}",
        f"o={o.username} {o.session_id} {o.version} {o.network_type} {o.address_type} {o.address}",
        f"s={desc.name}",
    ]
    if desc.information is not None:
        lines.append(f"i={desc.information}")
    if desc.uri is not None:
        lines.append(f"u={desc.uri}")
    lines += [f"e={email}" for email in desc.emails]
    lines += [f"p={phone}" for phone in desc.phones]
    lines += _connection_and_bandwidth(desc)
    for timing in desc.times:
        lines.append(f"t={timing.start} {timing.stop}")
        lines += [f"r={repeat}" for repeat in timing.repeats]
    if desc.time_zones is not None:
        lines.append(f"z={desc.time_zones}")
    if desc.encryption_key is not None:
        lines.append(f"k={desc.encryption_key}")
    lines += map(format_group, desc.groups)
    if desc.ice_lite:
        lines.append("a=ice-lite")
    if desc.msid_semantic is not None:
        lines.append(f"a=msid-semantic:{desc.msid_semantic}")
    if desc.identity is not None:
        extensions = f" {desc.identity.extensions}" if desc.identity.extensions is not None else ""
        lines.append(f"a=identity:{desc.identity.assertion}{extensions}")
    lines += _common(desc)
    lines += map(_attribute, desc.attributes)
    for section in desc.media:
        lines += _media(section)
    return lines


def format_group(group: Group) -> str:
    return "a=group:" + " ".join((group.semantics, *group.mids))


def _connection_and_bandwidth(level: Level) -> list[str]:
    lines = [] if level.connection is None else [f"c={_connection(level.connection)}"]
    return lines + [_bandwidth(b) for b in level.bandwidth]


def _connection(c: Connection) -> str:
    return f"{c.network_type} {c.address_type} {c.address}"


def _bandwidth(b: Bandwidth) -> str:
    return f"b={b.type}:{b.value}"


def _common(level: Level) -> list[str]:
    """Attributes that may stand at either level."""
    lines = []
    if level.ice_ufrag is not None:
        lines.append(f"a=ice-ufrag:{level.ice_ufrag}")
    if level.ice_pwd is not None:
        lines.append(f"a=ice-pwd:{level.ice_pwd}")
    if level.ice_options:
        lines.append("a=ice-options:" + " ".join(level.ice_options))
    lines += [f"a=fingerprint:{fingerprint.algorithm} {fingerprint.value}" for fingerprint in level.fingerprints]
    if level.setup is not None:
        lines.append(f"a=setup:{level.setup}")
    if level.tls_id is not None:
        lines.append(f"a=tls-id:{level.tls_id}")
    if level.extmap_allow_mixed:
        lines.append("a=extmap-allow-mixed")
    lines += map(_extmap, level.extmaps)
    if level.direction is not None:
        lines.append(f"a={level.direction}")
    return lines


def _extmap(entry: ExtMap) -> str:
    head = f"{entry.id}/{entry.direction}" if entry.direction is not None else str(entry.id)
    tail = f" {entry.attributes}" if entry.attributes is not None else ""
    return f"a=extmap:{head} {entry.uri}{tail}"


def _attribute(attribute: Attribute) -> str:
    return f"a={attribute.name}" if attribute.value is None else f"a={attribute.name}:{attribute.value}"


def _media(section: MediaSection) -> list[str]:
    port = str(section.port) if section.port_count is None else f"{section.port}/{section.port_count}"
    lines = [" ".join((f"m={section.kind}", port, section.protocol, *section.formats))]
    if section.information is not None:
        lines.append(f"i={section.information}")
    lines += _connection_and_bandwidth(section)
    if section.encryption_key is not None:
        lines.append(f"k={section.encryption_key}")
    if section.rtcp is not None:
        address = f" {_connection(section.rtcp.connection)}" if section.rtcp.connection is not None else ""
        lines.append(f"a=rtcp:{section.rtcp.port}{address}")
    lines += [f"a={format_candidate(candidate)}" for candidate in section.candidates]
    if section.end_of_candidates:
        lines.append("a=end-of-candidates")
    if section.mid is not None:
        lines.append(f"a=mid:{section.mid}")
    lines += _common(section)
    lines += _flags(section)
    lines += _rtp(section)
    if section.sctp_port is not None:
        lines.append(f"a=sctp-port:{section.sctp_port}")
    if section.max_message_size is not None:
        lines.append(f"a=max-message-size:{section.max_message_size}")
    lines += map(_attribute, section.attributes)
    return lines


def _flags(section: MediaSection) -> list[str]:
    lines = [f"a=msid:{m.stream}" if m.track is None else f"a=msid:{m.stream} {m.track}" for m in section.msids]
    if section.bundle_only:
        lines.append("a=bundle-only")
    if section.rtcp_mux:
        lines.append("a=rtcp-mux")
    if section.rtcp_mux_only:
        lines.append("a=rtcp-mux-only")
    if section.rtcp_rsize:
        lines.append("a=rtcp-rsize")
    return lines


def _rtp(section: MediaSection) -> list[str]:
    lines = [f"a=rtcp-fb:* {feedback}" for feedback in section.wildcard_feedback]
    lines += _codecs(section.codecs)
    if section.ptime is not None:
        lines.append(f"a=ptime:{section.ptime:.15g}")
    if section.maxptime is not None:
        lines.append(f"a=maxptime:{section.maxptime:.15g}")
    lines += map(_rid, section.rids)
    if section.simulcast is not None:
        lines.append(_simulcast(section.simulcast))
    lines += [" ".join((f"a=ssrc-group:{group.semantics}", *map(str, group.ssrcs))) for group in section.ssrc_groups]
    for source in section.ssrcs:
        for name, value in source.attributes:
            lines.append(f"a=ssrc:{source.ssrc} {name}" if value is None else f"a=ssrc:{source.ssrc} {name}:{value}")
    return lines


@kept
def _codecs(codecs: Codecs) -> tuple[str, ...]:
    """Most lines of a description."""
    lines = []
    for codec in codecs:
        channels = "" if codec.channels is None else f"/{codec.channels}"
        lines.append(f"a=rtpmap:{codec.payload_type} {codec.name}/{codec.clock_rate}{channels}")
        lines += [f"a=rtcp-fb:{codec.payload_type} {feedback}" for feedback in codec.feedback]
        if codec.fmtp is not None:
            lines.append(f"a=fmtp:{codec.payload_type} {codec.fmtp}")
    return tuple(lines)


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
