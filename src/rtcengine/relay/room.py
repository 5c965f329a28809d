"""A room: one publisher, any number of viewers. Viewers outlive their publisher and go on with the next one that speaks
codecs of theirs."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..engine import Batch
from ..sdp.codecs import match
from .session import Session
from .track import Track


@dataclass(slots=True, eq=False)
class Room:
    """Who publishes and who watches under one name. It exists while it has either."""

    name: str
    publisher: Session | None = None
    viewers: dict[str, Session] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        return self.publisher is None and not self.viewers

    @property
    def live(self) -> bool:
        """Whether somebody publishes and is heard."""
        return self.publisher is not None and self.publisher.state == "connected"

    @property
    def video(self) -> Track | None:
        """The picture that is published now, for a program to look at; the best of several layers."""
        return self._track("video")

    @property
    def audio(self) -> Track | None:
        """The sound that is published now, for a program to listen to."""
        return self._track("audio")

    def _track(self, kind: str) -> Track | None:
        receiver = self.publisher.source(kind) if self.publisher is not None else None
        return Track(receiver) if receiver is not None else None

    @property
    def layers(self) -> dict[str, Track]:
        """The picture in each size that is published, by rid; empty where there is one alone."""
        found = self.publisher.layers if self.publisher is not None else None
        return {rid: Track(receiver) for rid, receiver in found.receivers.items()} if found is not None else {}

    def takes(self, viewer: Session) -> bool:
        """Whether the viewer, as it was answered, can take what the publisher sends now: every kind that is published has
        a section of the viewer's with that codec, and none that the viewer has is left without."""
        if self.publisher is None:
            return False
        for section in viewer.sections:
            published = self.publisher.section(section.kind)
            if published is None and section.codec is None:
                continue
            if published is None or section.codec is None or published.codec is None:
                return False
            if match(section.codec, published.codec) is None:
                return False
        return True

    def link(self, viewer: Session, batch: Batch) -> None:
        """Feeds the viewer's streams from the publisher's of the same kind, or from nobody."""
        for kind, sender in viewer.senders.items():
            batch.link(sender, self.publisher.source(kind, viewer.layer) if self.publisher else None)
