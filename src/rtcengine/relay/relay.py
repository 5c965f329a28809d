"""The relay: rooms over one engine. What a person or a program decides is here; packets are the engine's."""

from __future__ import annotations

import asyncio
import inspect
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Self
from weakref import WeakValueDictionary

from ..certificate import Certificate
from ..engine import Engine, EngineError, EngineStats, IceConfig, TransportEvent
from ..ice.addresses import local_addresses
from ..sdp import Answer, LocalTransport, PublishedTrack, SessionDescription, answer_publisher, answer_viewer
from ..types import Candidate, Fingerprint
from .config import RelayConfig, valid_room
from .http import HttpError
from .layers import LOOK_S, Layers
from .negotiate import new_stream, recv_config, send_config, transport_config
from .room import Room
from .session import PUBLISH, WATCH, Session, new_credentials

log = logging.getLogger("rtcengine.relay")

RETRY_AFTER_S = 2
"""What a viewer without a publisher, or anybody at a relay that is closing, is told to wait."""


class Refused(Exception):
    """Raised by a hook to refuse a session: the text is told to the client, `status` is the HTTP status."""

    def __init__(self, text: str = "refused", status: int = 403) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Joining:
    """Who wants in, as hooks see it. `authorization` is the header as it came."""

    room: str
    role: str
    remote: str
    agent: str
    authorization: str


Hook = Callable[[Joining], bool | Awaitable[bool | None] | None]
Listener = Callable[[str, Session], None]


class Relay:
    """Rooms that browsers publish to by WHIP and watch by WHEP.

    Use it as `async with Relay(config) as relay`, and mount `relay.aiohttp_app()` or `relay.asgi()` in a program, or let
    `rtcengine relay` serve it. `on_publish` and `on_join` are called before a session is made, may be coroutines, and
    refuse by returning False or raising Refused. `listen` adds a function called with "join", "change" or "leave".
    All methods belong to the event loop that entered the context.
    """

    def __init__(
        self,
        config: RelayConfig | None = None,
        *,
        on_publish: Hook | None = None,
        on_join: Hook | None = None,
        **settings: Any,
    ) -> None:
        if config is not None and settings:
            raise TypeError("give a config or its fields, not both")
        self.config = config if config is not None else RelayConfig(**settings)
        self.rooms: dict[str, Room] = {}
        self.draining = False
        self._hooks = {PUBLISH: on_publish, WATCH: on_join}
        self._listeners: list[Listener] = []
        self._sessions: dict[str, Session] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._certificate = Certificate.generate()
        udp = self.config.udp_port
        self.engine = Engine(self._certificate, udp=(("0.0.0.0", udp), ("::", udp)))

    async def __aenter__(self) -> Self:
        await self.engine.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def drain(self) -> None:
        """No new sessions from now on; everybody is told BYE and close_notify."""
        self.draining = True
        batch = self.engine.batch()
        for session in list(self._sessions.values()):
            if session.transport is not None:
                batch.close(session.transport)
        await batch.commit()

    async def close(self) -> None:
        """Drains and stops. Idempotent."""
        if not self.draining:
            await self.drain()
        await self.engine.close()

    def aiohttp_app(self) -> Any:
        """An aiohttp Application with the page, WHIP and WHEP at its root."""
        from .app_aiohttp import make_app

        return make_app(self)

    def asgi(self) -> Any:
        """The same as an ASGI application (HTTP only), for FastAPI, Starlette or uvicorn."""
        from .app_asgi import AsgiApp

        return AsgiApp(self)

    def listen(self, listener: Listener) -> None:
        """Adds a function called on the event loop with "join", "change" or "leave" and the session."""
        self._listeners.append(listener)

    @property
    def sessions(self) -> list[Session]:
        return list(self._sessions.values())

    def session(self, session_id: str) -> Session | None:
        return self._sessions.get(session_id)

    async def stats(self) -> EngineStats:
        return await self.engine.stats()

    def advertised(self) -> list[str]:
        """The addresses that answers name: as configured, else those of the interfaces, with loopback first when HTTP is
        only served there (a browser on the same machine may have no other way)."""
        if self.config.public_ips:
            return list(self.config.public_ips)
        found = [str(a) for a in local_addresses()]
        loopback = self.config.host in ("127.0.0.1", "::1", "localhost") or not found
        return (["127.0.0.1"] if loopback else []) + found

    async def publish(self, offer: SessionDescription, joining: Joining) -> tuple[Session, Answer]:
        """A new publisher. A room has one: 409 while another is heard; one that has gone silent is replaced."""
        await self._admit(joining)
        async with self._lock(joining.room):
            room = self.rooms.get(joining.room) or Room(joining.room)
            if room.publisher is not None and room.publisher.state not in ("stalled", "closed"):
                raise HttpError(409, f"room {room.name} has a publisher already", ("Retry-After", str(RETRY_AFTER_S)))
            ice = new_credentials()
            answer = answer_publisher(offer, self._local(ice))
            if room.publisher is not None:
                await self.end(room.publisher)
            session = self._session(room, PUBLISH, joining, ice, answer)
            batch = self.engine.batch()
            transport = batch.transport(transport_config(offer, answer, ice, session.id), self._watcher(session))
            session.transport = transport
            for section in answer.sections:
                if section.codec is None:
                    continue
                found = {rid: batch.receive(transport, recv_config(section, rid)) for rid in section.rids or ("",)}
                session.receivers[section.kind] = next(iter(found.values()))
                if section.rids and section.kind == "video":
                    session.layers = Layers(found)
            room.publisher = session
            gone = [v for v in room.viewers.values() if not room.takes(v)]
            for viewer in room.viewers.values():
                if viewer not in gone:
                    room.link(viewer, batch)
                elif viewer.transport is not None:
                    batch.close(viewer.transport)  # it agreed to other codecs; its page comes back with a new offer
            await self._commit(batch, session)
            if session.layers is not None:
                session.follower = asyncio.ensure_future(self._follow_layers(session, session.layers))
        return session, answer

    async def watch(self, offer: SessionDescription, joining: Joining, layer: str = "") -> tuple[Session, Answer]:
        """A new viewer of a room that has a publisher; 409 when it has none, 406 when codecs do not meet. `layer`: the one of
        the publisher's layers that it gets, by rid, 404 when there is none of that name; "" for the best one."""
        await self._admit(joining)
        async with self._lock(joining.room):
            room = self.rooms.get(joining.room)
            publisher = room.publisher if room is not None else None
            if room is None or publisher is None or publisher.state == "closed":
                raise HttpError(409, f"nobody publishes in {joining.room} yet", ("Retry-After", str(RETRY_AFTER_S)))
            _check_layer(publisher, layer)
            published = {
                s.kind: PublishedTrack(s.codec, tuple(s.extensions), s.red_payload_type is not None)
                for s in publisher.sections
                if s.codec is not None
            }
            ice = new_credentials()
            cname = secrets.token_urlsafe(12)
            streams = {kind: new_stream(kind, cname, room.name) for kind in published}
            answer = answer_viewer(offer, self._local(ice), published, streams)
            session = self._session(room, WATCH, joining, ice, answer)
            batch = self.engine.batch()
            transport = batch.transport(transport_config(offer, answer, ice, cname), self._watcher(session))
            session.transport = transport
            for section in answer.sections:
                if section.codec is not None:
                    session.senders[section.kind] = batch.send(transport, send_config(section))
            session.layer = layer
            room.viewers[session.id] = session
            room.link(session, batch)
            await self._commit(batch, session)
        return session, answer

    async def subscribe(self, session: Session, layer: str = "") -> None:
        """Another layer for a viewer, "" for the best one, from that one's next key frame on; until then it gets the one of
        before. HttpError, of status 404, when the publisher has none of that name."""
        async with self._lock(session.room.name):
            publisher = session.room.publisher
            if session.publishes or session.transport is None or session.transport.state == "closed":
                raise EngineError("the session watches nothing")
            if publisher is not None:
                _check_layer(publisher, layer)
            session.layer = layer
            batch = self.engine.batch()
            session.room.link(session, batch)
            await batch.commit()

    async def restart_ice(self, session: Session, ufrag: str, pwd: str) -> tuple[str, str]:
        """New credentials of the client, new ones of ours in return; media goes on meanwhile (RFC 9725 §4.3.3)."""
        ice = new_credentials()
        if session.transport is None:
            raise EngineError("the session is closed")
        batch = self.engine.batch()
        batch.restart(session.transport, IceConfig(ice[0], ice[1], ufrag, pwd))
        await batch.commit()
        session.ice = ice
        session.remote_ufrag = ufrag
        return ice

    async def end(self, session: Session) -> None:
        """Ends a session: BYE, close_notify, everything freed."""
        self._remove(session)
        if session.transport is not None and session.transport.state != "closed":
            batch = self.engine.batch()
            batch.close(session.transport)
            await batch.commit()

    def candidates(self) -> tuple[Candidate, ...]:
        """One host candidate an address (RFC 8445 §5.1.2.1: type 126, local preference by order, component 1). Those of IPv4
        are written first whatever their priority: there are clients, FFmpeg's for one, that take the first that they read."""
        port = self.engine.port
        found = (
            Candidate(
                foundation=str(n + 1),
                component=1,
                transport="udp",
                priority=(126 << 24) + ((65535 - n) << 8) + 255,
                address=address,
                port=port,
                type="host",
            )
            for n, address in enumerate(self.advertised())
        )
        return tuple(sorted(found, key=lambda candidate: ":" in candidate.address))

    def _local(self, ice: tuple[str, str]) -> LocalTransport:
        digest = bytes.fromhex(self._certificate.fingerprint("sha-256").replace(":", ""))
        return LocalTransport(
            session_id=secrets.randbits(62),
            ice_ufrag=ice[0],
            ice_pwd=ice[1],
            fingerprints=(Fingerprint("sha-256", digest),),
            candidates=self.candidates(),
        )

    async def _admit(self, joining: Joining) -> None:
        self._check_room_for_more()
        if not valid_room(joining.room):
            raise HttpError(404, "a room's name is 1 to 64 of A-Z a-z 0-9 _ -")
        hook = self._hooks[joining.role]
        if hook is not None:
            try:
                allowed = hook(joining)
                if inspect.isawaitable(allowed):
                    allowed = await allowed
            except Refused as refused:
                raise HttpError(refused.status, str(refused)) from None
            if allowed is False:
                raise HttpError(403, "refused")

    def _check_room_for_more(self) -> None:
        if self.draining:
            raise HttpError(503, "this relay is closing", ("Retry-After", str(RETRY_AFTER_S)))
        if len(self._sessions) >= self.config.max_sessions:
            raise HttpError(503, "this relay is full", ("Retry-After", "30"))

    def _session(self, room: Room, role: str, joining: Joining, ice: tuple[str, str], answer: Answer) -> Session:
        self._check_room_for_more()  # again: a hook or another join of this room may have taken long
        session = Session(
            room=room,
            role=role,
            remote=joining.remote,
            agent=joining.agent,
            ice=ice,
            remote_ufrag=answer.remote.ice_ufrag,
            sections=answer.sections,
        )
        self._sessions[session.id] = session
        self.rooms[room.name] = room  # a room is there from its first session to its last
        return session

    async def _commit(self, batch: Any, session: Session) -> None:
        try:
            await batch.commit()
        except BaseException:
            self._remove(session)
            raise
        self._tell("join", session)

    async def _follow_layers(self, session: Session, layers: Layers) -> None:
        """Who has chosen no layer gets the best one that flows."""
        assert session.transport is not None
        try:
            while True:
                await asyncio.sleep(LOOK_S)
                found = await self.engine.transport_stats([session.transport])
                if not found or found[0] is None:
                    return
                if not layers.look(found[0].receivers, found[0].now):
                    continue
                batch = self.engine.batch()
                for viewer in session.room.viewers.values():
                    if not viewer.layer and viewer.transport is not None and viewer.transport.state != "closed":
                        session.room.link(viewer, batch)
                await batch.commit()
                self._tell("change", session)
        except EngineError as error:
            log.debug("layers of %s are not looked after any more: %s", session.room.name, error)

    def _watcher(self, session: Session) -> Callable[[TransportEvent], None]:
        def on_event(event: TransportEvent) -> None:
            if event.state == "closed":
                self._remove(session)
            else:
                self._tell("change", session)

        return on_event

    def _remove(self, session: Session) -> None:
        if self._sessions.pop(session.id, None) is None:
            return
        if session.follower is not None:
            session.follower.cancel()
        room = session.room
        room.viewers.pop(session.id, None)
        if room.publisher is session:
            room.publisher = None
        self._forget(room)
        self._tell("leave", session)

    def _forget(self, room: Room) -> None:
        if room.empty and self.rooms.get(room.name) is room:
            del self.rooms[room.name]

    def _lock(self, room: str) -> asyncio.Lock:
        """Joins of one room go one after the other. A lock lives as long as somebody has it or waits for it."""
        lock = self._locks.get(room)
        if lock is None:
            lock = self._locks[room] = asyncio.Lock()
        return lock

    def _tell(self, what: str, session: Session) -> None:
        for listener in self._listeners:
            try:
                listener(what, session)
            except Exception:
                log.exception("a listener failed")


def _check_layer(publisher: Session, layer: str) -> None:
    known = publisher.layers.receivers if publisher.layers is not None else {}
    if layer and layer not in known:
        what = f"the layers {', '.join(known)}" if known else "one layer alone, which has no name"
        raise HttpError(404, f"no layer {layer!r:.40}: the publisher sends {what}")
