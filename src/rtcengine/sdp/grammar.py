"""Values of lines and attributes, from text to the dataclasses of description.py. Each raises Malformed."""

from __future__ import annotations

import functools
import re

from ..types import Direction, Fingerprint
from .description import (
    Bandwidth,
    Connection,
    ExtMap,
    Group,
    Identity,
    MediaSection,
    Msid,
    Origin,
    Rid,
    Rtcp,
    Setup,
    Simulcast,
    SimulcastRid,
    SimulcastStreams,
    SsrcGroup,
    Timing,
)
from .errors import Malformed
from .lines import MAX_SSRC, PAYLOAD_TYPE_TEXTS, fields, number, payload_type, token

DIGEST_SIZES = {"sha-1": 20, "sha-224": 28, "sha-256": 32, "sha-384": 48, "sha-512": 64}  # RFC 8122 §5

DIRECTIONS: dict[str, Direction] = {direction.value: direction for direction in Direction}

# RFC 8839 §5.4 allows letters, digits, + and /; clients in use add the characters of other base64 alphabets.
_ICE_CHARS = re.compile(r"[A-Za-z0-9+/\-_=#]+")
_TLS_ID = re.compile(r"[A-Za-z0-9+/\-_]{20,255}")
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_RID = re.compile(r"[A-Za-z0-9_\-]{1,255}")
_HEX_PAIRS = re.compile(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2})*")
_REAL = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")


def origin(value: str) -> Origin:
    username, session_id, version, *rest = fields(value, "origin", 6, 6)
    for text, what in ((session_id, "session id"), (version, "session version")):
        if not (text.isascii() and text.isdigit()):
            raise Malformed(f"{what} is not a number")
    return Origin(username, session_id, version, *rest)


def connection(value: str) -> Connection:
    network_type, address_type, address = fields(value, "connection", 3, 3)
    return Connection(address, address_type, network_type)


def timing(value: str) -> Timing:
    start, stop = fields(value, "time", 2, 2)
    return Timing(number(start, "start time", 2**63), number(stop, "stop time", 2**63))


def bandwidth(value: str) -> Bandwidth:
    kind, colon, amount = value.partition(":")
    if not colon:
        raise Malformed("bandwidth is not <type>:<number>")
    return Bandwidth(token(kind, "bandwidth type"), number(amount, "bandwidth", 2**63))


def media_line(value: str) -> MediaSection:
    kind, port, protocol, *formats = fields(value, "media line", 4)
    port_text, slash, count = port.partition("/")
    section = MediaSection(
        kind=token(kind, "media kind"),
        port=number(port_text, "port", 65535),
        port_count=number(count, "number of ports", 65535, 1) if slash else None,
        protocol=protocol,
        formats=tuple(formats),
    )
    if not all(token(part, "protocol") for part in protocol.split("/")):
        raise Malformed("protocol is empty")
    if section.is_rtp:
        section.formats = tuple([PAYLOAD_TYPE_TEXTS[payload_type(text)] for text in formats])
    return section


def group(value: str) -> Group:
    semantics, *mids = fields(value, "group", 1)
    return Group(semantics, tuple(token(mid, "mid") for mid in mids))


def ice_ufrag(value: str) -> str:
    return _ice_string(value, "ice-ufrag", 4)


def ice_pwd(value: str) -> str:
    return _ice_string(value, "ice-pwd", 22)


def _ice_string(value: str, what: str, least: int) -> str:
    if not (least <= len(value) <= 256 and _ICE_CHARS.fullmatch(value)):
        raise Malformed(f"{what} is not {least} to 256 ICE characters (RFC 8839)")
    return value


def fingerprint(value: str) -> Fingerprint | None:
    """None for a hash that this package does not know; a known one must have its length."""
    algorithm, digits = fields(value, "fingerprint", 2, 2)
    algorithm = algorithm.lower()
    if not _HEX_PAIRS.fullmatch(digits):
        raise Malformed("fingerprint is not pairs of hex digits with colons")
    digest = bytes.fromhex(digits.replace(":", ""))
    size = DIGEST_SIZES.get(algorithm)
    if size is None:
        return None
    if len(digest) != size:
        raise Malformed(f"{algorithm} fingerprint has {len(digest)} bytes instead of {size}")
    return Fingerprint(algorithm, digest)


def setup(value: str) -> Setup:
    try:
        return Setup(value)
    except ValueError:
        raise Malformed("setup is not actpass, active, passive or holdconn") from None


def tls_id(value: str) -> str:
    if not _TLS_ID.fullmatch(value):
        raise Malformed("tls-id is not 20 to 255 letters, digits, +, /, - or _")
    return value


def identity(value: str) -> Identity:
    assertion, space, extensions = value.partition(" ")
    if not _BASE64.fullmatch(assertion) or len(assertion) % 4:
        raise Malformed("identity is not base64")
    if space and not extensions.strip():
        raise Malformed("identity is followed by nothing")
    return Identity(assertion, extensions if space else None)


@functools.lru_cache(maxsize=256)  # the same few in every description
def extmap(value: str) -> ExtMap:
    head, uri, *rest = fields(value, "extmap", 2)
    id_text, slash, direction = head.partition("/")
    ident = number(id_text, "extension id", 4351, 1)
    if 255 < ident < 4096:  # 4096 to 4351 stand for "any id" in offers, RFC 8285 §6
        raise Malformed(f"extension id {ident} is not within 1 to 255 or 4096 to 4351")
    if slash and direction not in DIRECTIONS:
        raise Malformed("extension direction is not sendrecv, sendonly, recvonly or inactive")
    return ExtMap(ident, uri, DIRECTIONS[direction] if slash else None, " ".join(rest) or None)


def mid(value: str) -> str:
    return token(value, "mid")


def msid(value: str) -> Msid:
    stream, *track = fields(value, "msid", 1, 2)
    return Msid(stream, *track)


def rtcp(value: str) -> Rtcp:
    port, *rest = fields(value, "rtcp", 1, 4)
    return Rtcp(number(port, "port", 65535), connection(" ".join(rest)) if rest else None)


@functools.lru_cache(maxsize=256)  # the same few in every description
def rtpmap(value: str) -> tuple[int, str, int, int | None]:
    """Payload type, name, clock rate, channels."""
    ident, encoding = fields(value, "rtpmap", 2, 2)
    name, *rest = encoding.split("/")
    if not 1 <= len(rest) <= 2:
        raise Malformed("rtpmap is not <name>/<clock rate>[/<channels>]")
    clock_rate = number(rest[0], "clock rate", 2**31 - 1, 1)
    channels = number(rest[1], "number of channels", 255, 1) if len(rest) == 2 else None
    return payload_type(ident), token(name, "codec name"), clock_rate, channels


def per_format(value: str, what: str) -> tuple[str, str]:
    """`<format> <text>`, for fmtp and rtcp-fb. An empty fmtp is let pass, it says nothing."""
    ident, _, text = value.strip(" ").partition(" ")
    text = text.strip(" ")
    if not text and what != "fmtp":
        raise Malformed(f"{what} is not <format> <text>")
    return ident, text


def ssrc(value: str) -> tuple[int, str, str | None]:
    ident, _, attribute = value.partition(" ")
    name, colon, text = attribute.partition(":")
    return number(ident, "ssrc", MAX_SSRC), token(name, "ssrc attribute"), text if colon else None


def ssrc_group(value: str) -> SsrcGroup:
    semantics, *ssrcs = fields(value, "ssrc-group", 1)
    return SsrcGroup(token(semantics, "ssrc-group semantics"), tuple(number(s, "ssrc", MAX_SSRC) for s in ssrcs))


def rid(value: str) -> Rid:
    ident, direction, *rest = fields(value, "rid", 2, 3)
    if direction not in ("send", "recv"):
        raise Malformed("rid direction is not send or recv")
    payload_types: tuple[int, ...] = ()
    restrictions: list[tuple[str, str | None]] = []
    for part in rest[0].split(";") if rest else ():
        name, equals, text = part.partition("=")
        if name == "pt":
            payload_types += tuple(payload_type(pt) for pt in text.split(","))
        else:
            restrictions.append((token(name, "rid restriction"), text if equals else None))
    return Rid(_rid(ident), direction, payload_types, tuple(restrictions))


def simulcast(value: str) -> Simulcast:
    parts = fields(value, "simulcast", 2, 4)
    lists = dict(zip(parts[::2], parts[1::2], strict=False))
    if len(parts) % 2 or len(lists) * 2 != len(parts) or not lists.keys() <= {"send", "recv"}:
        raise Malformed("simulcast is not send and recv, each at most once and each with its streams")
    return Simulcast(_streams(lists.get("send")), _streams(lists.get("recv")))


def _streams(text: str | None) -> SimulcastStreams:
    if text is None:
        return ()
    return tuple(
        tuple(SimulcastRid(_rid(name.removeprefix("~")), name.startswith("~")) for name in stream.split(","))
        for stream in text.split(";")
    )


def _rid(text: str) -> str:
    if not _RID.fullmatch(text):
        raise Malformed("rid is not letters, digits, - or _")
    return text


def milliseconds(value: str, what: str) -> float:
    """ptime and maxptime may be real numbers (RFC 8866 §6.4)."""
    if not _REAL.fullmatch(value) or float(value) <= 0:
        raise Malformed(f"{what} is not a positive number of milliseconds")
    return float(value)
