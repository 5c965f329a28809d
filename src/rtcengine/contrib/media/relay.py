"""One track for many readers."""

from __future__ import annotations

import weakref

from ...media.tee import Tee, TeeTrack
from ...media.track import MediaStreamTrack


class RelayStreamTrack(TeeTrack):
    """What `MediaRelay.subscribe` gives."""

    def __init__(self, relay: MediaRelay, source: MediaStreamTrack, buffered: bool) -> None:
        super().__init__(relay._tee(source), source, None if buffered else 1)


class MediaRelay:
    """Reads tracks and gives each frame to all who have subscribed, the same object: nobody should change it. A source is read
    from the first `recv` of a subscriber on, and while there is one."""

    def __init__(self) -> None:
        # A source is forgotten with its last subscriber.
        self._tees: weakref.WeakValueDictionary[MediaStreamTrack, Tee] = weakref.WeakValueDictionary()

    def subscribe(self, track: MediaStreamTrack, buffered: bool = True) -> MediaStreamTrack:
        """A track of its own for one more reader. `buffered`: frames wait for it, as many as an Inbox holds; else it gets the
        newest alone."""
        return RelayStreamTrack(self, track, buffered)

    def _tee(self, source: MediaStreamTrack) -> Tee:
        tee = self._tees.get(source)
        if tee is None:
            tee = self._tees[source] = Tee(source)
        return tee
