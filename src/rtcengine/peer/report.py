"""Reports: where a connection stands, and in words why it has no way to its peer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..stats import PairStats
from ..types import Candidate
from .gather import RTCIceCandidateError
from .journal import Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportReport:
    """Of one transport. `local`, `remote`: candidates that either side told; `refused`: what of the peer's is not tried, and
    why; `errors`: servers that gave no candidate; `ended`: what the engine says of its end, "" while it lives."""

    id: int
    ice_state: str
    dtls_state: str
    local: tuple[Candidate, ...] = ()
    remote: tuple[Candidate, ...] = ()
    refused: tuple[str, ...] = ()
    errors: tuple[RTCIceCandidateError, ...] = ()
    pairs: tuple[PairStats, ...] = ()
    ended: str = ""

    @property
    def why(self) -> str:
        """What keeps media from flowing, "" when nothing does."""
        if self.ended:
            return self.ended
        if self.dtls_state == "failed":
            return "DTLS failed"
        if self.ice_state == "closed" or (self.ice_state == "new" and not self.remote):
            return ""
        if self.ice_state in ("connected", "completed"):
            return "" if self.dtls_state == "connected" else "there is a way, and the DTLS handshake is not over"
        used = [pair for pair in self.pairs if pair.responses_received]
        if self.ice_state == "disconnected" or (used and self.ice_state == "failed"):
            first = "the way that was used fell silent"
        else:
            first = "no pair worked" if self.ice_state == "failed" else "no pair works yet"
        return f"{first}: {'; '.join([*self._pairs(), *self._missing()])}"

    def _pairs(self) -> Iterator[str]:
        if self.pairs:
            for (kinds, fate), n in Counter((_kinds(pair), _fate(pair)) for pair in self.pairs).items():
                yield f"{n} {kinds} pair{'s' if n > 1 else ''} {fate}"
        elif not self.remote:
            yield "the peer told no candidate"
        elif not self.local:
            yield "there is no candidate of ours"
        else:
            yield f"none of our {len(self.local)} and its {len(self.remote)} candidates go together"

    def _missing(self) -> Iterator[str]:
        yield from (f"not tried: {text}" for text in dict.fromkeys(self.refused))
        yield from dict.fromkeys(said(error) for error in self.errors)


def said(error: RTCIceCandidateError) -> str:
    """What a server that gave no candidate said."""
    code = "" if str(error.errorCode) in error.errorText else f" ({error.errorCode})"
    return f"{error.url} gave no candidate: {error.errorText}{code}"


def _kinds(pair: PairStats) -> str:
    local, remote = pair.local.type, pair.remote.type
    return local if local == remote else f"{local}-{remote}"


def _fate(pair: PairStats) -> str:
    if pair.responses_received:
        return "answered once and no more"
    if not pair.requests_sent:
        return "not asked yet"
    return "by which the peer is heard and does not answer" if pair.requests_received else "without answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionReport:
    """Where a connection stands; as text all of it, for a log or a person. `failure`: why it failed last, if it did."""

    id: str
    state: str
    failure: str
    timeline: tuple[Moment, ...]
    transports: tuple[TransportReport, ...]

    @property
    def why(self) -> str:
        """What keeps media from flowing now, "" when nothing does."""
        return why_of(self.transports)

    def __str__(self) -> str:
        lines = [f"{self.id} {self.state}", *(f"  {moment}" for moment in self.timeline)]
        lines += [f"  transport {one.id}: {one.why}" for one in self.transports if one.why]
        if self.failure:
            lines.append(f"  failed: {self.failure}")
        return "\n".join(lines)


def why_of(transports: Sequence[TransportReport]) -> str:
    """Of several transports, which each has what; one that speaks for itself needs no number."""
    found = [(one.id, one.why) for one in transports if one.why]
    if len(transports) == 1:
        return "".join(why for _, why in found)
    return ", ".join(f"transport {id}: {why}" for id, why in found)
