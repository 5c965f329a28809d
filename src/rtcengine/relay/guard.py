"""Limits of the built-in HTTP server against clients that open much and send little: connections in all and of one address,
and a time for each request head. aiohttp has a limit for idle connections, none for these."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast
from weakref import WeakKeyDictionary

from .http import BODY_SECONDS


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds for a request head (and before it for the TLS handshake), for a body, for an answer that the client does not
    read, and for a connection between two requests; connections in all and from one address."""

    head_seconds: float = 5.0
    body_seconds: float = BODY_SECONDS
    write_seconds: float = 10.0
    idle_seconds: float = 75.0
    connections: int = 1024
    connections_of_one: int = 32


class Gate:
    """Who is connected. `protocol` is for `loop.create_server`: the inner protocol behind a Guard.

    When there are too many, the connection that has been idle longest gives way (browsers keep them open for later); when
    none is idle, the newcomer is turned away.
    """

    def __init__(self, inner: Callable[[], asyncio.Protocol], limits: Limits, tls: ssl.SSLContext | None = None) -> None:
        self.inner = inner
        self.limits = limits
        self.tls = tls
        self._open: Counter[str] = Counter()
        self._idle: dict[Guard, None] = {}  # longest idle first
        self._by_inner: WeakKeyDictionary[asyncio.Protocol, Guard] = WeakKeyDictionary()

    def protocol(self) -> Guard:
        return Guard(self)

    def of(self, inner: asyncio.Protocol) -> Guard | None:
        """The guard of a connection, by aiohttp's protocol."""
        return self._by_inner.get(inner)

    def admit(self, guard: Guard) -> bool:
        full_of_one = self._open[guard.peer] >= self.limits.connections_of_one
        if full_of_one or self._open.total() >= self.limits.connections:
            away = next((g for g in self._idle if not full_of_one or g.peer == guard.peer), None)
            if away is None:
                return False
            away.abort()
        self._open[guard.peer] += 1
        return True

    def began(self, guard: Guard, inner: asyncio.Protocol) -> None:
        self._by_inner[inner] = guard

    def rests(self, guard: Guard, idle: bool) -> None:
        self._idle.pop(guard, None)
        if idle:
            self._idle[guard] = None

    def gone(self, guard: Guard) -> None:
        self._idle.pop(guard, None)
        self._open[guard.peer] -= 1
        if not self._open[guard.peer]:
            del self._open[guard.peer]


class Guard(asyncio.Protocol):
    """One connection: passes everything to the inner protocol and keeps the time.

    A request head is timed from its first byte, the first one from the start of the connection. That a head is complete
    shows when a handler begins (`enter`); `leave` ends it.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._limits = gate.limits
        self._inner: asyncio.Protocol | None = None
        self._raw: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._handshake: asyncio.Task[None] | None = None
        self._busy = False
        self._counted = False
        self.peer = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._raw = cast(asyncio.Transport, transport)
        self.peer = (transport.get_extra_info("peername") or ("",))[0]
        self._counted = self._gate.admit(self)
        if not self._counted:
            self._raw.abort()
            return
        self._arm()
        if self._gate.tls is None:
            self._begin(self._raw)
        else:
            self._raw.pause_reading()  # the ClientHello is for start_tls
            self._handshake = asyncio.ensure_future(self._start_tls(self._raw, self._gate.tls))

    async def _start_tls(self, raw: asyncio.Transport, context: ssl.SSLContext) -> None:
        """The handshake, counted like every connection (create_server would count it only when it is done)."""
        loop = asyncio.get_running_loop()
        seconds = self._limits.head_seconds
        try:
            made = await loop.start_tls(raw, self, context, server_side=True, ssl_handshake_timeout=seconds)
        except (OSError, ssl.SSLError):  # ConnectionError, TimeoutError and CertificateError among them
            made = None
        if made is None:
            raw.abort()
            self._forget()
        else:
            self._begin(made)

    def _begin(self, transport: asyncio.Transport) -> None:
        self._inner = self._gate.inner()
        self._gate.began(self, self._inner)
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if not self._busy and self._timer is None:
            self._gate.rests(self, False)
            self._arm()
        if self._inner is not None:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._inner is not None else None

    def pause_writing(self) -> None:
        self._write_timer = asyncio.get_running_loop().call_later(self._limits.write_seconds, self.abort)
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._stop_write_timer()
        if self._inner is not None:
            self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        if self._inner is not None:
            self._inner.connection_lost(exc)

    def enter(self) -> None:
        """A request head is complete: no time counts until it is answered (its body has a time of its own)."""
        self._busy = True
        self._gate.rests(self, False)
        self._disarm()

    def leave(self) -> None:
        """The answer is made."""
        self._busy = False
        if self._counted:
            self._gate.rests(self, True)

    def abort(self) -> None:
        if self._raw is not None:
            self._raw.abort()
        self._forget()

    def _arm(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._limits.head_seconds, self.abort)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _forget(self) -> None:
        self._disarm()
        self._stop_write_timer()
        if self._counted:
            self._counted = False
            self._gate.gone(self)
