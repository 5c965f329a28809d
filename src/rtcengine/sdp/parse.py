"""Reading a description: RFC 8866 with the attributes of JSEP (RFC 9429 §5.8).

What is not interpreted is kept as it was, so nothing is lost by reading and writing again. Time is linear in the size.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import pairwise
from typing import ClassVar

from . import grammar
from .candidate import parse_candidate
from .description import MAX_SHORT, Attribute, Codec, Codecs, ExtMap, Level, SessionDescription, Ssrc
from .errors import Malformed, SdpError
from .lines import MAX_BYTES, MAX_LINE, MAX_LINES, MAX_SECTIONS, Line, number, payload_type, split_rows, token

# RFC 3551 §6: payload types that mean something without an rtpmap, as far as real-time audio and video use them.
_STATIC = {
    0: ("PCMU", 8000),
    3: ("GSM", 8000),
    4: ("G723", 8000),
    8: ("PCMA", 8000),
    9: ("G722", 8000),
    13: ("CN", 8000),
    15: ("G728", 8000),
    18: ("G729", 8000),
    26: ("JPEG", 90000),
    31: ("H261", 90000),
    34: ("H263", 90000),
}

_MAX_FMTP = MAX_LINE - len("a=fmtp:127 ")


def parse(
    text: str | bytes, *, max_bytes: int = MAX_BYTES, max_lines: int = MAX_LINES, max_sections: int = MAX_SECTIONS
) -> SessionDescription:
    """The description that `text` says. Raises SdpError, which names the line, for whatever cannot be read."""
    rows = split_rows(text, max_bytes=max_bytes, max_lines=max_lines)
    if rows[0] != "v=0":
        raise Line.of(1, rows[0]).error("a description begins with v=0")
    starts = [i for i, row in enumerate(rows) if row.startswith("m=")]
    if len(starts) > max_sections:
        start = starts[max_sections]
        raise Line.of(start + 1, rows[start]).error(f"more than {max_sections} media sections")
    bounds = [*starts, len(rows)]
    session = _Session(rows[: bounds[0]])
    mids: set[str] = set()
    for start, end in pairwise(bounds):
        section = _Media(start + 1, rows[start:end]).section
        if section.mid is not None:
            if section.mid in mids:
                i = next(i for i in range(start, end) if rows[i].startswith("a=mid:"))
                raise Line.of(i + 1, rows[i]).error("mid is already that of another section")
            mids.add(section.mid)
        session.description.media.append(section)
    return session.description


Once = dict[str, tuple[str, Callable[[str], object]]]
"""Attributes that a level has once: the field that each goes into, and what reads it."""

Numbered = Iterable[tuple[int, str]]
"""Lines with their numbers."""


class _Reader:
    """Dispatches lines of one level and turns Malformed into SdpError with the line at hand."""

    ONCE: ClassVar[Once]

    def __init__(self, level: Level) -> None:
        self.level = level
        self.given: set[str] = set()
        self.extmaps: list[ExtMap] = []
        # Attributes nobody interprets, with their line numbers: some are known as such only when the section ends.
        self.unread: list[tuple[int, Attribute]] = []

    def read(self, rows: Numbered) -> None:
        for at, row in rows:
            try:
                if row[0] == "a":
                    self.attribute(at, row[2:])
                else:
                    self.line(row[0], row[2:])
            except Malformed as e:
                raise Line.of(at, row).error(str(e)) from None

    def attribute(self, at: int, text: str) -> None:
        name, colon, given = text.partition(":")
        value = given if colon else None
        if name in self.ONCE:
            field, read = self.ONCE[name]
            self.once(field, read(self.required(value)))
            return
        if name not in _NAMES:
            token(name, "attribute name")
        if not self.known(at, name, value):
            self.unread.append((at, Attribute(name, value)))

    def known(self, at: int, name: str, value: str | None) -> bool:
        """Reads an attribute of either level; False when it is none of them."""
        level = self.level
        if name == "extmap":
            self.extmap(self.required(value))
        elif name in grammar.DIRECTIONS:
            self.no_value(value)
            self.once("direction", grammar.DIRECTIONS[name])
        elif name == "extmap-allow-mixed":
            self.no_value(value)
            level.extmap_allow_mixed = True
        elif name == "fingerprint":
            digest = grammar.fingerprint(self.required(value))
            if digest is None:
                return False
            level.fingerprints.append(digest)
        else:
            return False
        return True

    def extmap(self, value: str) -> None:
        entry = grammar.extmap(value)
        if entry.id <= 255:  # the placeholders above may repeat
            key = f"extension id {entry.id}"
            if key in self.given:
                raise Malformed(f"{key} is already taken")
            self.given.add(key)
        self.extmaps.append(entry)

    def line(self, type: str, value: str) -> None:
        match type:
            case "i":
                self.once("information", value)
            case "c":
                self.once("connection", grammar.connection(value))
            case "b":
                self.level.bandwidth.append(grammar.bandwidth(value))
            case "k":
                self.once("encryption_key", value)
            case _:
                raise Malformed("line of a type that has no place here")

    def once(self, field: str, value: object) -> None:
        """Sets a field. Saying the same again is let pass, contradicting oneself is not."""
        if field in self.given and getattr(self.level, field) != value:
            raise Malformed("contradicts an earlier line")
        self.given.add(field)
        setattr(self.level, field, value)

    @staticmethod
    def required(value: str | None) -> str:
        if value is None:
            raise Malformed("attribute needs a value")
        return value

    @staticmethod
    def no_value(value: str | None) -> None:
        if value is not None:
            raise Malformed("attribute takes no value")

    def finish(self) -> None:
        """What was collected goes into the level."""
        self.level.extmaps = tuple(self.extmaps)
        if self.unread:
            self.unread.sort(key=lambda entry: entry[0])
            self.level.attributes = [attribute for _, attribute in self.unread]


_BOTH_ONCE: Once = {
    "ice-options": ("ice_options", lambda value: [option for option in value.split(" ") if option]),
    "ice-ufrag": ("ice_ufrag", grammar.ice_ufrag),
    "ice-pwd": ("ice_pwd", grammar.ice_pwd),
    "setup": ("setup", grammar.setup),
    "tls-id": ("tls_id", grammar.tls_id),
}


class _Session(_Reader):
    ONCE = _BOTH_ONCE | {
        "msid-semantic": ("msid_semantic", str),
        "identity": ("identity", grammar.identity),
    }

    def __init__(self, rows: list[str]) -> None:
        first = next((i for i, row in enumerate(rows) if row.startswith("o=")), None)
        if first is None:
            raise Line.of(len(rows), rows[-1]).error("no o= line before the end of the session level")
        try:
            self.description = SessionDescription(origin=grammar.origin(rows[first][2:]), times=[])
        except Malformed as e:
            raise Line.of(first + 1, rows[first]).error(str(e)) from None
        super().__init__(self.description)
        self.given.add("origin")
        self.read([(at, row) for at, row in enumerate(rows[1:], 2) if at != first + 1])
        if not self.description.times:
            self.description.times = SessionDescription(origin=self.description.origin).times
        self.finish()

    def line(self, type: str, value: str) -> None:
        desc = self.description
        match type:
            case "o":
                self.once("origin", grammar.origin(value))
            case "s":
                self.once("name", value)
            case "u":
                self.once("uri", value)
            case "e":
                desc.emails.append(value)
            case "p":
                desc.phones.append(value)
            case "t":
                desc.times.append(grammar.timing(value))
            case "r":
                if not desc.times:
                    raise Malformed("r= before any t=")
                desc.times[-1] = replace(desc.times[-1], repeats=(*desc.times[-1].repeats, value))
            case "z":
                self.once("time_zones", value)
            case _:
                super().line(type, value)

    def known(self, at: int, name: str, value: str | None) -> bool:
        desc = self.description
        if name == "group":
            desc.groups.append(grammar.group(self.required(value)))
        elif name == "ice-lite":
            self.no_value(value)
            desc.ice_lite = True
        else:
            return super().known(at, name, value)
        return True


_FLAGS = {
    "rtcp-mux": "rtcp_mux",
    "rtcp-mux-only": "rtcp_mux_only",
    "rtcp-rsize": "rtcp_rsize",
    "bundle-only": "bundle_only",
    "end-of-candidates": "end_of_candidates",
}
_OF_FORMATS = frozenset({"rtpmap", "fmtp", "rtcp-fb"})


class _Media(_Reader):
    """A section of which the rows are these, `first` being the number of their first."""

    ONCE = _BOTH_ONCE | {
        "mid": ("mid", grammar.mid),
        "rtcp": ("rtcp", grammar.rtcp),
        "simulcast": ("simulcast", grammar.simulcast),
        "ptime": ("ptime", lambda value: grammar.milliseconds(value, "ptime")),
        "maxptime": ("maxptime", lambda value: grammar.milliseconds(value, "maxptime")),
        "sctp-port": ("sctp_port", lambda value: number(value, "sctp-port", 65535)),
        "max-message-size": ("max_message_size", lambda value: number(value, "max-message-size", 2**64 - 1)),
    }

    def __init__(self, first: int, rows: list[str]) -> None:
        try:
            self.section = grammar.media_line(rows[0][2:])
        except Malformed as e:
            raise Line.of(first, rows[0]).error(str(e)) from None
        super().__init__(self.section)
        self.rtp = self.section.is_rtp
        self.ssrcs: dict[int, Ssrc] = {}
        self.rids: set[str] = set()
        self.rtpmaps: dict[int, tuple[Line, Codec]] = {}
        self.fmtps: list[tuple[Line, int, str]] = []
        self.feedback: list[tuple[Line, int, str]] = []
        self.wildcard: list[str] = []
        if not (self.rtp and self.take_known(first, rows)):
            self.read(enumerate(rows[1:], first + 1))
            if self.rtp:
                self.assemble_codecs()
        self.finish()

    def take_known(self, first: int, rows: list[str]) -> bool:
        """Reads the section when what it says of its payload types has been read before, which most of its lines are about:
        a peer's are those of all others of its kind."""
        about = tuple([row for row in rows if row.startswith(_FORMAT_ROWS)])
        if not about or sum(map(len, about)) > MAX_SHORT:
            return False
        known = _formats(self.section.formats, about)
        if known is None:
            return False
        self.section.formats, self.section.codecs, self.section.wildcard_feedback = known
        self.read([(at, row) for at, row in enumerate(rows[1:], first + 1) if not row.startswith(_FORMAT_ROWS)])
        return True

    def known(self, at: int, name: str, value: str | None) -> bool:
        section = self.section
        if name in _OF_FORMATS and self.rtp:
            self.format_line(Line(at, "a", f"{name}:{value}"), name, self.required(value))
        elif name in _FLAGS:
            self.no_value(value)
            setattr(section, _FLAGS[name], True)
        elif name == "candidate":
            section.candidates.append(parse_candidate(self.required(value)))
        elif name == "ssrc":
            ident, attribute, text = grammar.ssrc(self.required(value))
            if ident not in self.ssrcs:
                self.ssrcs[ident] = Ssrc(ident)
                section.ssrcs.append(self.ssrcs[ident])
            self.ssrcs[ident].attributes.append((attribute, text))
        elif name == "ssrc-group":
            section.ssrc_groups.append(grammar.ssrc_group(self.required(value)))
        elif name == "msid":
            section.msids.append(grammar.msid(self.required(value)))
        elif name == "rid":
            rid = grammar.rid(self.required(value))
            if rid.id in self.rids:
                raise Malformed("rid is given twice")
            self.rids.add(rid.id)
            section.rids.append(rid)
        else:
            return super().known(at, name, value)
        return True

    def format_line(self, line: Line, name: str, value: str) -> None:
        """Collects what belongs to a payload type: fmtp may stand before its rtpmap (Firefox)."""
        if name == "rtpmap":
            ident, codec_name, clock_rate, channels = grammar.rtpmap(value)
            codec = Codec(ident, codec_name, clock_rate, channels)
            if self.rtpmaps.setdefault(ident, (line, codec))[1] != codec:
                raise Malformed(f"payload type {ident} already means another codec")
        elif name == "fmtp":
            ident_text, text = grammar.per_format(value, "fmtp")
            self.fmtps.append((line, payload_type(ident_text), text))
        else:
            ident_text, text = grammar.per_format(value, "rtcp-fb")
            if ident_text == "*":
                self.wildcard.append(text)
            else:
                self.feedback.append((line, payload_type(ident_text), text))

    def assemble_codecs(self) -> None:
        """Payload types in the m-line's order; lines about others are kept unread (Firefox leaves rtcp-fb lines)."""
        codecs: dict[int, Codec] = {}
        for ident in map(int, self.section.formats):
            if ident in self.rtpmaps:
                codecs[ident] = self.rtpmaps[ident][1]
            elif ident in _STATIC:
                codecs[ident] = Codec(ident, *_STATIC[ident])
        for ident, (line, _) in self.rtpmaps.items():
            if ident not in codecs:
                self.keep(line)
        parameters: dict[int, str] = {}
        for line, ident, text in self.fmtps:
            if ident not in codecs:
                self.keep(line)
                continue
            parameters[ident] = f"{parameters[ident]};{text}" if ident in parameters else text
            if len(parameters[ident]) > _MAX_FMTP:
                raise line.error(f"the parameters of payload type {ident} are longer than a line may be")
        feedback: dict[int, list[str]] = {}
        for line, ident, text in self.feedback:
            if ident not in codecs:
                self.keep(line)
                continue
            feedback.setdefault(ident, []).append(text)
        self.section.codecs = Codecs(
            [replace(codecs[i], fmtp=parameters.get(i), feedback=tuple(feedback.get(i, ()))) for i in codecs]
        )
        self.section.wildcard_feedback = tuple(self.wildcard)

    def keep(self, line: Line) -> None:
        name, _, value = line.value.partition(":")
        self.unread.append((line.number, Attribute(name, value)))


_FORMAT_ROWS = tuple(f"a={name}:" for name in sorted(_OF_FORMATS))


@functools.lru_cache(maxsize=64)
def _formats(formats: tuple[str, ...], rows: tuple[str, ...]) -> tuple[tuple[str, ...], Codecs, tuple[str, ...]] | None:
    """The formats, their codecs and the feedback of all of them, for all sections that say the same. None when a line is wrong
    or about none of the formats: then each has to be read in its place."""
    section = _Media(1, [" ".join(("m=media", "9", "RTP/AVP", *formats))])
    try:
        for row in rows:
            line = Line.of(1, row)
            name, _, text = line.value.partition(":")
            section.format_line(line, name, text)
        section.assemble_codecs()
    except (Malformed, SdpError):
        return None
    return None if section.unread else (formats, section.section.codecs, section.section.wildcard_feedback)


_NAMES = frozenset({*_FLAGS, *_OF_FORMATS, *grammar.DIRECTIONS, "candidate", "extmap", "fingerprint", "msid", "ssrc"})
"""Those that come often, which are tokens."""

__all__ = ["SdpError", "parse"]
