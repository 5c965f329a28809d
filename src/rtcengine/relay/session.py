"""One WHIP or WHEP session: a transport, what it carries, and the resource that HTTP knows it by."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..engine import Receiver, Sender, Transport
from ..sdp import AcceptedSection

if TYPE_CHECKING:
    from .layers import Layers
    from .room import Room

PUBLISH = "publish"
WATCH = "watch"


def new_credentials() -> tuple[str, str]:
    """An ICE user name and password of our own: 48 and 144 random bits (RFC 8445 §5.3 asks for 24 and 128)."""
    return secrets.token_hex(6), secrets.token_hex(18)


@dataclass(slots=True, eq=False)
class Session:
    """`id` is 128 random bits: whoever knows it may end the session, so nobody shall guess it. `remote` is who asked by
    HTTP, `agent` what it calls itself."""

    room: Room
    role: str
    remote: str
    agent: str
    ice: tuple[str, str]
    remote_ufrag: str
    sections: tuple[AcceptedSection, ...]
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    etag: str = field(default_factory=lambda: secrets.token_hex(8))
    created: float = field(default_factory=time.monotonic)
    transport: Transport | None = None
    receivers: dict[str, Receiver] = field(default_factory=dict)  # by kind, of a publisher; of several layers the first one
    senders: dict[str, Sender] = field(default_factory=dict)  # by kind, of a viewer
    layers: Layers | None = None  # of a publisher's picture
    layer: str = ""  # that a viewer has chosen, "" for the best one
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)  # one PATCH after the other
    follower: asyncio.Task[None] | None = None  # looks after the layers

    @property
    def publishes(self) -> bool:
        return self.role == PUBLISH

    @property
    def path(self) -> str:
        """The resource of this session, below the relay's root."""
        return f"/{self.room.name}/{'whip' if self.publishes else 'whep'}/{self.id}"

    @property
    def state(self) -> str:
        """As the transport's: new, checked, connected, stalled, closed."""
        return self.transport.state if self.transport else "new"

    def source(self, kind: str, layer: str = "") -> Receiver | None:
        """What a publisher sends of this kind, in this layer or in the best one."""
        if kind == "video" and self.layers is not None:
            return self.layers.choose(layer)
        return self.receivers.get(kind)

    def section(self, kind: str) -> AcceptedSection | None:
        """The section of this kind that carries media."""
        return next((s for s in self.sections if s.kind == kind and s.codec is not None), None)

    def describe(self) -> str:
        """Its codecs for a person, e.g. "opus + VP8"."""
        return " + ".join(s.codec.name for s in self.sections if s.codec is not None) or "nothing"

    def renew_etag(self) -> None:
        """A new ETag for a new ICE session (RFC 9725 §4.3.1)."""
        self.etag = secrets.token_hex(8)
