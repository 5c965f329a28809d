"""One track for many readers."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from ...media.inbox import Inbox
from ...media.track import Done, MediaStreamError, MediaStreamTrack

log = logging.getLogger("rtcengine.media")


class RelayStreamTrack(MediaStreamTrack):
    """What `MediaRelay.subscribe` gives."""

    def __init__(self, relay: MediaRelay, source: MediaStreamTrack, buffered: bool) -> None:
        super().__init__()
        self.kind = source.kind
        self._relay = relay
        self._source = source
        self._inbox = Inbox(source.kind, None if buffered else 1)

    async def recv(self) -> Any:
        if self.readyState != "live":
            raise MediaStreamError
        self._relay._start(self)
        frame = await self._inbox.get()
        if frame is None:
            self.stop()
        if self.readyState != "live":
            raise MediaStreamError
        return frame

    def stop(self) -> Done:
        super().stop()
        self._relay._stop(self)
        self._inbox.end()
        return Done()


class MediaRelay:
    """Reads tracks and gives each frame to all who have subscribed, the same object: nobody should change it. A source is read
    from the first `recv` of a subscriber on, and while there is one."""

    def __init__(self) -> None:
        self._proxies: dict[MediaStreamTrack, set[RelayStreamTrack]] = {}
        self._tasks: dict[MediaStreamTrack, asyncio.Task[None]] = {}

    def subscribe(self, track: MediaStreamTrack, buffered: bool = True) -> MediaStreamTrack:
        """A track of its own for one more reader. `buffered`: frames wait for it, as many as an Inbox holds; else it gets the
        newest alone."""
        return RelayStreamTrack(self, track, buffered)

    def _start(self, proxy: RelayStreamTrack) -> None:
        source = proxy._source
        self._proxies.setdefault(source, set()).add(proxy)
        proxy._inbox.begin()
        if source not in self._tasks:
            self._tasks[source] = asyncio.ensure_future(self._run(source))

    def _stop(self, proxy: RelayStreamTrack) -> None:
        # The source is not interrupted: its reader looks after the frame that it waits for.
        self._proxies.get(proxy._source, set()).discard(proxy)

    async def _run(self, source: MediaStreamTrack) -> None:
        try:
            while self._proxies[source]:
                frame = await source.recv()
                for proxy in list(self._proxies[source]):
                    proxy._inbox.put(frame)
        except MediaStreamError:
            self._end(source)
        except Exception:
            log.exception("%r failed, and is not relayed any more", source)
            self._end(source)
        finally:
            self._tasks.pop(source, None)
            if not self._proxies.get(source):
                self._proxies.pop(source, None)

    def _end(self, source: MediaStreamTrack) -> None:
        for proxy in self._proxies.pop(source, set()):
            proxy._inbox.end()
