"""application/trickle-ice-sdpfrag (RFC 8840 §9): bodies of PATCH in WHIP and WHEP, for trickling and ICE restarts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..types import Candidate
from . import grammar
from .candidate import format_candidate, parse_candidate
from .description import Group
from .errors import Malformed
from .lines import MAX_SECTIONS, Line, split
from .write import format_group, join


@dataclass(slots=True, kw_only=True)
class FragmentSection:
    """One pseudo m-line; only its place and its mid mean anything. `mid` is None where the fragment gives none."""

    kind: str = "audio"
    port: int = 9
    protocol: str = "UDP/TLS/RTP/SAVPF"
    formats: tuple[str, ...] = ("0",)
    mid: str | None = None
    ice_ufrag: str | None = None
    ice_pwd: str | None = None
    candidates: list[Candidate] = field(default_factory=list)
    end_of_candidates: bool = False


@dataclass(slots=True, kw_only=True)
class Fragment:
    """`candidates` are those before any m-line: not in RFC 8840's grammar, but sent by simple clients."""

    ice_ufrag: str | None = None
    ice_pwd: str | None = None
    ice_lite: bool = False
    ice_options: list[str] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)
    end_of_candidates: bool = False
    sections: list[FragmentSection] = field(default_factory=list)

    @property
    def credentials(self) -> tuple[str, str] | None:
        """User fragment and password, from the session level or else the first section that has both."""
        for level in self._levels():
            if level.ice_ufrag is not None and level.ice_pwd is not None:
                return level.ice_ufrag, level.ice_pwd
        return None

    @property
    def ufrag(self) -> str | None:
        """The user fragment alone: trickled fragments may leave the password out."""
        return next((level.ice_ufrag for level in self._levels() if level.ice_ufrag is not None), None)

    def all_candidates(self) -> list[Candidate]:
        """Candidates of every section: with BUNDLE they all belong to one transport."""
        return self.candidates + [c for section in self.sections for c in section.candidates]

    @property
    def complete(self) -> bool:
        """Whether the end of candidates is said, for the whole or for any section."""
        return any(level.end_of_candidates for level in self._levels())

    def _levels(self) -> list[Fragment | FragmentSection]:
        return [self, *self.sections]


def parse_fragment(text: str | bytes) -> Fragment:
    """Reads a fragment. Attributes it does not know are ignored, as RFC 8840 §9.1 asks; SdpError names the line."""
    fragment = Fragment()
    level: Fragment | FragmentSection = fragment
    mids: set[str] = set()
    for line in split(text):
        try:
            if line.type == "m":
                level = _section(line)
                fragment.sections.append(level)
                if len(fragment.sections) > MAX_SECTIONS:
                    raise Malformed(f"more than {MAX_SECTIONS} media sections")
            elif line.type == "a":
                _attribute(fragment, level, line, mids)
            elif line.type not in "vostcbikuep":
                raise Malformed("line of a type that has no place in a fragment")
        except Malformed as e:
            raise line.error(str(e)) from None
    return fragment


def _section(line: Line) -> FragmentSection:
    media = grammar.media_line(line.value)
    return FragmentSection(kind=media.kind, port=media.port, protocol=media.protocol, formats=media.formats)


def _attribute(fragment: Fragment, level: Fragment | FragmentSection, line: Line, mids: set[str]) -> None:
    name, _, value = line.value.partition(":")
    match name:
        case "ice-ufrag":
            level.ice_ufrag = _same(level.ice_ufrag, grammar.ice_ufrag(value))
        case "ice-pwd":
            level.ice_pwd = _same(level.ice_pwd, grammar.ice_pwd(value))
        case "candidate":
            level.candidates.append(parse_candidate(value))
        case "end-of-candidates":
            level.end_of_candidates = True
        case "mid" if isinstance(level, FragmentSection):
            level.mid = _same(level.mid, grammar.mid(value))
            if value in mids:
                raise Malformed("mid is already that of another section")
            mids.add(value)
        case "ice-lite" if level is fragment:
            fragment.ice_lite = True
        case "ice-options" if level is fragment:
            fragment.ice_options.extend(option for option in value.split(" ") if option)
        case "group" if level is fragment:
            fragment.groups.append(grammar.group(value))


def _same(before: str | None, now: str) -> str:
    if before is not None and before != now:
        raise Malformed("contradicts an earlier line")
    return now


def write_fragment(fragment: Fragment) -> str:
    """The text of a fragment, with CRLF. Raises SdpError when a value holds a line break."""
    return join(_lines(fragment))


def _lines(fragment: Fragment) -> Iterator[str]:
    if fragment.ice_lite:
        yield "a=ice-lite"
    if fragment.ice_options:
        yield "a=ice-options:" + " ".join(fragment.ice_options)
    yield from map(format_group, fragment.groups)
    yield from _ice(fragment)
    for section in fragment.sections:
        yield " ".join((f"m={section.kind}", str(section.port), section.protocol, *section.formats))
        if section.mid is not None:
            yield f"a=mid:{section.mid}"
        yield from _ice(section)


def _ice(level: Fragment | FragmentSection) -> Iterator[str]:
    if level.ice_ufrag is not None:
        yield f"a=ice-ufrag:{level.ice_ufrag}"
    if level.ice_pwd is not None:
        yield f"a=ice-pwd:{level.ice_pwd}"
    yield from (f"a={format_candidate(candidate)}" for candidate in level.candidates)
    if level.end_of_candidates:
        yield "a=end-of-candidates"
